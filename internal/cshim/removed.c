#include "private.h"

#include <pthread.h>

/* Which sessions libssl has removed, and marked, for Go to tell others of. The callback may
 * run under the lock of the SSL_CTX, so it copies the id and nothing else. */

/* In the ex_data of an SSL_CTX. */
typedef struct removed {
    pthread_mutex_t lock;
    atomic_int waiting;
    sessl_buf ids; /* each behind a byte with its length, oldest first */
} removed;

int sessl_removed_slot = -1;

/* What is left when the SSL_CTX ends is not reported. */
void sessl_removed_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    removed *r = ptr;

    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    if (r == NULL)
        return;
    pthread_mutex_destroy(&r->lock);
    sessl_buf_free(&r->ids);
    OPENSSL_free(r);
}

/* Of ids: more are removed only while Go's function does not return. */
#define REMOVED_MAX (1 << 20)

/* SSL_CTX_sess_set_remove_cb. Without memory, or room, Go is not told: the session is marked anyway. */
static void remove_session_cb(SSL_CTX *ctx, SSL_SESSION *s)
{
    removed *r = SSL_CTX_get_ex_data(ctx, sessl_removed_slot);
    uint8_t id[1 + SSL_MAX_SSL_SESSION_ID_LENGTH];
    unsigned n;
    const unsigned char *p = SSL_SESSION_get_id(s, &n); /* borrowed */

    if (r == NULL || n == 0 || n >= sizeof(id) || sessl_session_travels(s))
        return; /* in a ticket the id is not the session's own: before TLS 1.3 the client has made it up */
    id[0] = (uint8_t)n;
    memcpy(id + 1, p, n);
    ERR_set_mark();
    pthread_mutex_lock(&r->lock);
    if (r->ids.tail - r->ids.head < REMOVED_MAX && sessl_buf_append(&r->ids, id, 1 + n))
        atomic_store(&r->waiting, 1);
    pthread_mutex_unlock(&r->lock);
    ERR_pop_to_mark();
}

/* 0 without memory. */
int sessl_ctx_report_removed(SSL_CTX *ctx, sessl_err *e)
{
    removed *r;
    int ok;

    sessl_err_begin(e);
    r = OPENSSL_zalloc(sizeof(*r));
    ok = r != NULL && pthread_mutex_init(&r->lock, NULL) == 0;
    if (ok && !SSL_CTX_set_ex_data(ctx, sessl_removed_slot, r)) { /* freed with ctx */
        pthread_mutex_destroy(&r->lock);
        ok = 0;
    }
    if (ok)
        SSL_CTX_sess_set_remove_cb(ctx, remove_session_cb);
    else
        OPENSSL_free(r);
    sessl_err_take(e);
    return ok;
}

/* Whether there are any; it costs no lock. */
int sessl_ctx_removed_waiting(SSL_CTX *ctx)
{
    removed *r = SSL_CTX_get_ex_data(ctx, sessl_removed_slot);

    return r != NULL && atomic_load(&r->waiting);
}

/* All that wait, which become the caller's, to be freed with sessl_buf_free. */
void sessl_ctx_take_removed(SSL_CTX *ctx, sessl_buf *out)
{
    removed *r = SSL_CTX_get_ex_data(ctx, sessl_removed_slot);

    memset(out, 0, sizeof(*out));
    if (r == NULL)
        return;
    pthread_mutex_lock(&r->lock);
    *out = r->ids;
    memset(&r->ids, 0, sizeof(r->ids));
    atomic_store(&r->waiting, 0);
    pthread_mutex_unlock(&r->lock);
}
