/* Raw public keys instead of certificates (RFC 7250). */
#ifndef SESSL_RPK_H
#define SESSL_RPK_H

#include "err.h"

#define SESSL_RPK_DIGEST 32 /* SHA-256's, of what sessl_key_der makes */

/* Of what use a key is in the list of a Ctx. */
#define SESSL_KEY_USABLE 0
#define SESSL_KEY_WEAK 1 /* below the security level */
#define SESSL_KEY_BIG 2  /* above SESSL_MODULUS_MAX */
#define SESSL_KEY_MUTE 3 /* it cannot sign */

/* What a session has of its peer's raw public key. */
#define SESSL_RAW_NONE 0
#define SESSL_RAW_EXPECTED 1 /* one that the connection's Ctx expects, and that is strong enough */
#define SESSL_RAW_OTHER 2

/* X509_V_ERR_*: no key that is expected. */
#if SESSL_HAVE_RPK
#define SESSL_UNTRUSTED_KEY X509_V_ERR_RPK_UNTRUSTED
#else
#define SESSL_UNTRUSTED_KEY X509_V_ERR_CERT_UNTRUSTED
#endif

/* ---- rpk.c: the types that a Ctx has, and the keys that it expects ---- */

int sessl_ctx_key_digest(const SSL_CTX *ctx, const uint8_t *der, size_t n, uint8_t out[SESSL_RPK_DIGEST],
                         int *use, int *bits, sessl_err *e);
int sessl_key_public(const uint8_t *key, size_t n, const uint8_t *pass, int pass_len, uint8_t **out, int *why,
                     sessl_err *e);
int sessl_ctx_set_cert_types(SSL_CTX *ctx, int server, const uint8_t *own, size_t own_n, const uint8_t *peer,
                             size_t peer_n, const uint8_t *expected, size_t n, sessl_err *e);
int sessl_conn_own_is_raw(const sessl_conn *c);
int sessl_conn_may_show(const sessl_conn *c);
int sessl_conn_bad_key(const sessl_conn *c, uint8_t **out);

#endif
