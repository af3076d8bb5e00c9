/* What a peer must show. */
#ifndef SESSL_TRUST_H
#define SESSL_TRUST_H

#include "err.h"

/* ---- trust.c: what a Ctx demands of its peers ---- */

#define SESSL_PURPOSE_SERVER 1
#define SESSL_PURPOSE_CLIENT 2
#define SESSL_PURPOSE_ANY 3

int sessl_ctx_add_crl(SSL_CTX *ctx, const uint8_t *der, size_t n, int64_t *until, sessl_err *e);
int sessl_ctx_set_demands(SSL_CTX *ctx, int depth, int purpose, unsigned long flags, sessl_err *e);
int sessl_ctx_set_trust_until(SSL_CTX *ctx, int64_t until, sessl_err *e);
int sessl_conn_bad_cert(sessl_conn *c, uint8_t **out);

/* ---- roots.c: what is trusted ---- */

/* Parsed roots, immutable once they are complete. Each SSL_CTX that trusts them takes
 * references of its own on the certificates. */
typedef STACK_OF(X509) sessl_roots;

/* What becomes of a root. */
#define SESSL_ROOT_UNUSABLE 0
#define SESSL_ROOT_ADDED 1
#define SESSL_ROOT_MISNAMED 2 /* its subject does not have the hash that its file is named after */

sessl_roots *sessl_roots_new(void);
int sessl_roots_add(sessl_roots *r, const uint8_t *der, size_t n, int trusted, const uint32_t *hash,
                    size_t *used, sessl_err *e);
int sessl_ctx_add_roots(SSL_CTX *ctx, const sessl_roots *r, int announce, sessl_err *e);
size_t sessl_ctx_ca_names(const SSL_CTX *ctx);
void sessl_roots_free(sessl_roots *r);
int sessl_der_in_time(const uint8_t *der, size_t n);
char *sessl_default_roots(int dirs);

/* ---- verify.c: the verdict on the peer's certificate, and the application's ---- */

#define SESSL_MODULUS_MAX 8192 /* bits of a key of RSA or DSA that a peer shows */

void sessl_ctx_set_verify(SSL_CTX *ctx, int request, int require, int check, int judge);
int sessl_conn_judged_cert(sessl_conn *c, int built, int i, uint8_t **out);
void sessl_conn_judged(sessl_conn *c);

/* ---- lastword.c: a server's refusal when the handshake is complete ---- */

void sessl_conn_last_word(sessl_conn *c, int alert);

/* ---- names.c: what a peer must be called ---- */

/* A host, as Go has settled it: a name in lower case without a final dot, or an address. */
typedef struct sessl_host {
    char *name; /* owned; NULL for an address, and where nothing is demanded */
    size_t len;
    uint8_t ip[16];
    size_t ip_len; /* 4, also for an IPv4 address that IPv6 carries, or 16; 0 for a name */
} sessl_host;

int sessl_der_is_for(const uint8_t *der, size_t n, const char *name, size_t name_len, const uint8_t *ip,
                     size_t ip_len);

/* ---- inforce.c: what is in force for verification ---- */

typedef struct sessl_in_force {
    int level, depth, auth_level;
    unsigned host_flags;
    unsigned long flags, inherit;   /* of the Ctx: X509_VERIFY_PARAM_get_flags, and get_inh_flags */
    unsigned long general, purpose; /* of OpenSSL's own tables */
} sessl_in_force;

void sessl_ctx_in_force(SSL_CTX *ctx, int server, sessl_in_force *f);
int sessl_providers(uint8_t **out, sessl_err *e);
int sessl_policy_text(uint8_t **out, sessl_err *e);

#endif
