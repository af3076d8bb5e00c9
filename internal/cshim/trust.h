/* roots.c, inforce.c, paths.c: what is trusted, what is in force for verification, and how a chain is
 * found. */
#ifndef SESSL_TRUST_H
#define SESSL_TRUST_H

/* Parsed roots, immutable once they are complete. Each SSL_CTX that trusts them takes
 * references of its own on the certificates. */
typedef STACK_OF(X509) sessl_roots;

/* What becomes of a root. */
#define SESSL_ROOT_UNUSABLE 0
#define SESSL_ROOT_ADDED 1
#define SESSL_ROOT_MISNAMED 2 /* its subject does not have the hash that its file is named after */

sessl_roots *sessl_roots_new(void);
int sessl_roots_add(sessl_roots *r, const uint8_t *der, size_t n, int trusted,
                    const uint32_t *hash, size_t *used, sessl_err *e);
size_t sessl_ctx_ca_names(const SSL_CTX *ctx);
int sessl_ctx_add_roots(SSL_CTX *ctx, const sessl_roots *r, int announce, sessl_err *e);
void sessl_roots_free(sessl_roots *r);
char *sessl_default_roots(int dirs);
int sessl_der_in_time(const uint8_t *der, size_t n);

typedef struct sessl_in_force {
    int level, depth, auth_level;
    unsigned host_flags;
    unsigned long flags, inherit;   /* of the Ctx: X509_VERIFY_PARAM_get_flags, X509_VERIFY_PARAM_get_inh_flags */
    unsigned long general, purpose; /* of OpenSSL's own tables */
} sessl_in_force;

void sessl_ctx_in_force(SSL_CTX *ctx, int server, sessl_in_force *f);
int sessl_providers(uint8_t **out, sessl_err *e);
int sessl_policy_text(uint8_t **out, sessl_err *e);

int sessl_verify_paths(X509_STORE_CTX *store);

#endif
