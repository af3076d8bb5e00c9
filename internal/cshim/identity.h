/* A part of cshim.h. */
#ifndef SESSL_IDENTITY_H
#define SESSL_IDENTITY_H

/* ---- identity.c, key.c, uri.c: the certificates that this side shows ---- */

typedef struct sessl_cert {
    X509 *leaf;            /* each of these is one reference */
    STACK_OF(X509) *chain; /* without the leaf; empty rather than NULL */
    EVP_PKEY *key;
    GENERAL_NAMES *names;  /* in the leaf; NULL for none */
    int more;              /* how many references there are besides the first; atomic */
} sessl_cert;

/* Several, to choose one from for each connection. Immutable. */
typedef struct sessl_certs sessl_certs;

/* Why there is no key or no certificate, where OpenSSL does not say. */
#define SESSL_KEY_MISSING 1
#define SESSL_KEY_MALFORMED 2
#define SESSL_KEY_NEEDS_PASSWORD 3
#define SESSL_KEY_WRONG_PASSWORD 4
#define SESSL_KEY_MISMATCH 5
#define SESSL_CERT_MALFORMED 6
#define SESSL_CERT_MISSING 7
#define SESSL_STORE_SCHEME 8 /* nothing is loaded that knows the URI's scheme */

/* Why an OCSP response is not one to staple. */
#define SESSL_STAPLE_MALFORMED 9
#define SESSL_STAPLE_TRAILING 10
#define SESSL_STAPLE_FAILED 11 /* the responder's answer is an error */
#define SESSL_STAPLE_OTHER 12  /* it is about other certificates */

EVP_PKEY *sessl_key_read(const uint8_t *p, size_t n, const uint8_t *pass, int pass_len, int *why, sessl_err *e);
sessl_cert *sessl_cert_read(const uint8_t *chain, size_t n, const uint8_t *key, size_t key_len,
                            const uint8_t *pass, int pass_len, int *why, sessl_err *e);
sessl_cert *sessl_cert_open(const char *cert_uri, const char *key_uri, const uint8_t *pass, int pass_len, int *why, sessl_err *e);
int sessl_cert_nth(const sessl_cert *c, int i, uint8_t **out);
void sessl_cert_free(sessl_cert *c);
void sessl_cert_up_ref(sessl_cert *c);
int sessl_ctx_use_certs(SSL_CTX *ctx, sessl_cert *const *certs, int n, int *bad, sessl_err *e);
int sessl_conn_use_certs(struct sessl_conn *c, sessl_cert *const *certs, int n, sessl_err *e);
int sessl_ctx_params(SSL_CTX *ctx, int server, sessl_cert *const *certs, int certs_n, int *bad,
                     sessl_suite *suites, size_t n, sessl_params *got, sessl_err *e);
int sessl_conn_use_cert(sessl_conn *c, const sessl_cert *cert, sessl_err *e);

/* ---- choose.c, pick.c: the certificate to show ---- */

#define SESSL_CHOSEN_OWN 1   /* Go leaves it to what the Ctx has */
#define SESSL_CHOSEN_GIVEN 2 /* Go has given one, or none */
void sessl_ctx_set_choose(SSL_CTX *ctx, int server, int ask, int by_name);
void sessl_conn_no_cert(sessl_conn *c);
int sessl_conn_pick(sessl_conn *c, SSL *ssl);
void sessl_certs_free(sessl_certs *s);
void sessl_certs_freed(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);
extern int sessl_certs_slot; /* registered by sessl_init */

/* ---- staple.c: what goes with a leaf, as an OCSP response ---- */

int sessl_cert_attach(sessl_cert *c, sessl_err *e);
void sessl_companion_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);
uint64_t sessl_cert_number(const sessl_cert *c);
uint64_t sessl_conn_sent_cert(sessl_conn *c);
int sessl_cert_set_staple(sessl_cert *c, const uint8_t *der, size_t n, int *why, sessl_err *e);
int sessl_ctx_set_stapling(SSL_CTX *ctx);

/* ---- stapled.c: what a client gets of it ---- */

int sessl_ctx_ask_for_staple(SSL_CTX *ctx);
void sessl_conn_watch_staple(sessl_conn *c);
int sessl_conn_staple_failed(const sessl_conn *c);
size_t sessl_conn_staple(sessl_conn *c, const uint8_t **p);
void sessl_conn_drop_staple(sessl_conn *c);

#endif
