#include "private.h"

void sessl_ctx_get_settings(SSL_CTX *ctx, sessl_settings *s)
{
    s->mode = SSL_CTX_get_session_cache_mode(ctx);
    s->cache_size = SSL_CTX_sess_get_cache_size(ctx);
    s->timeout = SSL_CTX_get_timeout(ctx);
    s->num_tickets = SSL_CTX_get_num_tickets(ctx);
    s->max_early = SSL_CTX_get_max_early_data(ctx);
    s->skip_early = SSL_CTX_get_recv_max_early_data(ctx);
}

/* Without the SERVER bit libssl would not report new sessions. */
void sessl_ctx_set_internal_cache(SSL_CTX *ctx, int no_auto_clear, int none, long size)
{
    long mode = SSL_SESS_CACHE_SERVER;

    if (no_auto_clear)
        mode |= SSL_SESS_CACHE_NO_AUTO_CLEAR;
    if (none)
        mode |= SSL_SESS_CACHE_NO_INTERNAL;
    SSL_CTX_set_session_cache_mode(ctx, mode);
    SSL_CTX_sess_set_cache_size(ctx, size);
}

int sessl_conn_set_num_tickets(sessl_conn *c, size_t n, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    ok = SSL_set_num_tickets(c->ssl, n);
    sessl_err_take(e);
    return ok;
}

int sessl_conn_set_sid_ctx(sessl_conn *c, const uint8_t *p, unsigned n, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    ok = SSL_set_session_id_context(c->ssl, p, n); /* copies */
    sessl_err_take(e);
    return ok;
}

int sessl_conn_set_psk_hint(sessl_conn *c, const char *hint, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    ok = SSL_use_psk_identity_hint(c->ssl, hint); /* copies */
    sessl_err_take(e);
    return ok;
}
