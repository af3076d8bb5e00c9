/* The certificates that this side shows. */
#ifndef SESSL_CERT_H
#define SESSL_CERT_H

#include "err.h"

/* Why there is no key or no certificate, where OpenSSL does not say. */
#define SESSL_KEY_MISSING 1
#define SESSL_KEY_MALFORMED 2
#define SESSL_KEY_NEEDS_PASSWORD 3
#define SESSL_KEY_WRONG_PASSWORD 4
#define SESSL_KEY_MISMATCH 5
#define SESSL_CERT_MALFORMED 6
#define SESSL_CERT_MISSING 7
#define SESSL_STORE_SCHEME 8   /* nothing is loaded that knows the URI's scheme */
#define SESSL_KEY_KIND 13      /* only its owner can sign with it, and its kind is none that is known */
#define SESSL_KEY_NEEDS_3_0 14 /* the same, whatever the kind */

/* Why an OCSP response is not one to staple. */
#define SESSL_STAPLE_MALFORMED 9
#define SESSL_STAPLE_TRAILING 10
#define SESSL_STAPLE_FAILED 11 /* the responder's answer is an error */
#define SESSL_STAPLE_OTHER 12  /* it is about other certificates */

/* ---- identity.c: a certificate with its chain and its key ---- */

sessl_cert *sessl_cert_read(const uint8_t *chain, size_t n, const uint8_t *key, size_t key_len,
                            const uint8_t *pass, int pass_len, int *why, sessl_err *e);
sessl_cert *sessl_cert_of_signer(const uint8_t *chain, size_t n, int *why, sessl_err *e);
int sessl_cert_nth(const sessl_cert *c, int i, uint8_t **out);
void sessl_cert_free(sessl_cert *c);
int sessl_conn_use_cert(sessl_conn *c, const sessl_cert *cert, sessl_err *e);

/* ---- uri.c: one from a store ---- */

sessl_cert *sessl_cert_open(const char *cert_uri, const char *key_uri, const uint8_t *pass, int pass_len,
                            int *why, sessl_err *e);

/* ---- choose.c: which one is shown, where Go is asked ---- */

#define SESSL_CHOSEN_OWN 1   /* Go leaves it to what the Ctx has */
#define SESSL_CHOSEN_GIVEN 2 /* Go has given one, or none */

void sessl_ctx_set_choose(SSL_CTX *ctx, int server, int ask, int by_name);
void sessl_conn_no_cert(sessl_conn *c);

/* ---- pick.c: which one is shown, of several ---- */

int sessl_ctx_use_certs(SSL_CTX *ctx, sessl_cert *const *certs, int n, int *bad, sessl_err *e);
int sessl_conn_use_certs(sessl_conn *c, sessl_cert *const *certs, int n, sessl_err *e);

/* ---- staple.c: what goes with a leaf, as an OCSP response ---- */

uint64_t sessl_cert_number(const sessl_cert *c);
int sessl_cert_set_staple(sessl_cert *c, const uint8_t *der, size_t n, int *why, sessl_err *e);
uint64_t sessl_conn_answer_cert(sessl_conn *c);

/* ---- stapled.c: what a client gets of it ---- */

int sessl_ctx_ask_for_staple(SSL_CTX *ctx);
int sessl_conn_staple_failed(const sessl_conn *c);
void sessl_conn_drop_staple(sessl_conn *c);

#endif
