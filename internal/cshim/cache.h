/* The sessions that a server keeps. */
#ifndef SESSL_CACHE_H
#define SESSL_CACHE_H

#include "buf.h"
#include "err.h"

/* ---- cache.c: sessions that a server keeps outside of libssl ---- */

void sessl_ctx_ask_for_sessions(SSL_CTX *ctx, int tickets);
void sessl_conn_found(sessl_conn *c, SSL_SESSION *s);
size_t sessl_session_size(const SSL_SESSION *s);

/* ---- idkeys.c: ids that no stranger can make up ---- */

#define SESSL_ID_MAC 8 /* bytes at the end of an id; a guess costs a lookup, and 2^63 guesses are needed */

typedef struct sessl_id_ring sessl_id_ring;
typedef struct sessl_id_keys sessl_id_keys;

sessl_id_ring *sessl_id_ring_new(size_t n);
int sessl_id_ring_add(sessl_id_ring *r, const uint8_t *seal_key);
void sessl_id_ring_free(sessl_id_ring *r);
sessl_id_keys *sessl_id_keys_new(sessl_id_ring *r);
void sessl_id_keys_set(sessl_id_keys *k, sessl_id_ring *r);
void sessl_id_keys_free(sessl_id_keys *k);
int sessl_id_keys_made(sessl_id_keys *k, const uint8_t *id, size_t n);
void sessl_id_key_counts(uint64_t *made, uint64_t *wiped);

/* ---- removed.c: sessions that libssl has removed ---- */

int sessl_ctx_report_removed(SSL_CTX *ctx, sessl_err *e);
void sessl_ctx_take_removed(SSL_CTX *ctx, sessl_buf *out);

#endif
