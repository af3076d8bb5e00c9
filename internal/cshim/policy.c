#include "cshim.h"

#include <stdatomic.h>
#include <time.h>

/* What a server wants of its sessions, for callbacks that cannot ask. */

static atomic_int_fast64_t clock_offset; /* not 0 in tests only */

int64_t sessl_now(void)
{
    return (int64_t)time(NULL) + atomic_load(&clock_offset);
}

void sessl_move_clock(int64_t by)
{
    atomic_fetch_add(&clock_offset, by);
}

/* Freed with ctx. */
int sessl_ctx_set_policy(SSL_CTX *ctx, const sessl_policy *p, sessl_err *e)
{
    sessl_policy *own;
    int ok;

    sessl_err_begin(e);
    own = OPENSSL_memdup(p, sizeof(*p));
    ok = own != NULL && SSL_CTX_set_ex_data(ctx, sessl_policy_slot, own);
    if (!ok) {
        OPENSSL_free(own);
        e->no_memory = 1;
    }
    sessl_err_take(e);
    return ok;
}

void sessl_policy_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    OPENSSL_free(ptr);
}

/* NULL for the SSL_CTX of a client. Borrowed from ctx. */
const sessl_policy *sessl_ctx_policy(const SSL_CTX *ctx)
{
    return SSL_CTX_get_ex_data(ctx, sessl_policy_slot);
}
