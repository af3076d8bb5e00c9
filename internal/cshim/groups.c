#include "private.h"

static int groups(SSL_CTX *ctx, const char *list)
{
    return (int)SSL_CTX_set1_groups_list(ctx, list);
}

/* The second list is what openssl.cnf may have for clients' certificates. */
static int sigalgs(SSL_CTX *ctx, const char *list)
{
    return (int)(SSL_CTX_set1_sigalgs_list(ctx, list) && SSL_CTX_set1_client_sigalgs_list(ctx, list));
}

/* OpenSSL 3.0 queues nothing, neither for a name that it does not know nor when there is
 * no memory; only a name fails again while there is some. */
static int set_list(int (*set)(SSL_CTX *, const char *), SSL_CTX *ctx, const char *list, sessl_err *e)
{
    void *probe;
    int ok;

    sessl_err_begin(e);
    ok = set(ctx, list) || set(ctx, list);
    if (!ok) {
        probe = OPENSSL_malloc(64);
        e->no_memory |= probe == NULL;
        OPENSSL_free(probe);
    }
    sessl_err_take(e);
    return ok;
}

int sessl_ctx_set_groups(SSL_CTX *ctx, const char *list, sessl_err *e)
{
    return set_list(groups, ctx, list, e);
}

int sessl_ctx_set_sigalgs(SSL_CTX *ctx, const char *list, sessl_err *e)
{
    return set_list(sigalgs, ctx, list, e);
}
