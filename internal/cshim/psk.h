/* External pre-shared keys. */
#ifndef SESSL_PSK_H
#define SESSL_PSK_H

#include "err.h"

/* libssl's own limits are for TLS 1.2; in TLS 1.3 the identity also travels in tickets. */
#define SESSL_PSK_MAX_IDENTITY 1024
#define SESSL_PSK_MAX_KEY PSK_MAX_PSK_LEN
#define SESSL_PSK_FINGERPRINT 32

/* ---- pskkey.c: one key, and the table of those that an SSL_CTX has ---- */

sessl_psk *sessl_psk_new(const uint8_t *id, size_t id_len, const uint8_t *key, size_t key_len, int sha384,
                         sessl_err *e);
void sessl_psk_free(sessl_psk *k);
void sessl_psk_fingerprint(const sessl_psk *k, uint8_t *out);
void sessl_psk_counts(uint64_t *made, uint64_t *wiped);

/* ---- psk.c: keys in TLS 1.3 ---- */

void sessl_conn_found_psk(sessl_conn *c, sessl_psk *k);
int sessl_ctx_set_psks(SSL_CTX *ctx, int server, sessl_psk *const *keys, size_t n, int v12, const char *hint,
                       sessl_err *e);

#endif
