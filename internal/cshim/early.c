#include "private.h"

/* Early data, also known as 0-RTT: a client's first flight carries application data under
 * the keys of the session that it resumes. Whoever has recorded the flight can send it again. */

/* Early data that is rejected has to be read past all the same, and libssl counts a byte more
 * for each record of it, 1.1.1 the whole 17 that it has more, and allows for six of them: a
 * client that writes a byte at a time makes more of it. 16384 is what libssl skips by default.
 * What is accepted is bounded by the session's own limit, which is the announced one. */
#if SESSL_HAVE_3_0
#define RECORD_OF_ONE 2
#else
#define RECORD_OF_ONE 18
#endif

static uint32_t enough_to_skip(uint32_t max)
{
    return RECORD_OF_ONE * max + SSL3_RT_MAX_PLAIN_LENGTH;
}

/* SSL_CTX_set_allow_early_data_cb: asked last, when libssl would accept. It has compared the
 * protocol, but in TLS 1.3 not the name that the client asks for. With arg, a guard of Go's
 * had to be asked while the ClientHello was suspended. A PSK that is no ticket allows none,
 * for its uses are not kept track of; libssl would accept, and then find it to be too much. */
static int allow_early(SSL *ssl, void *arg)
{
    sessl_conn *c = SSL_get_ex_data(ssl, sessl_ssl_slot);
    SSL_SESSION *s = SSL_get0_session(ssl); /* borrowed */

    return c != NULL && s != NULL && SSL_SESSION_get_max_early_data(s) > 0 && (arg == NULL || c->claimed)
        && sessl_same_name(SSL_SESSION_get0_hostname(s), SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
}

/* Tickets from here on allow max bytes, which Go has seen to be no more than 16 MiB. Guarded,
 * libssl does not keep track of used tickets itself: it would want its internal cache for
 * that, and refuse every resumption without. */
int sessl_ctx_set_early(SSL_CTX *ctx, uint32_t max, int guarded, sessl_err *e)
{
    static const char yes;
    int ok;

    sessl_err_begin(e);
    ok = SSL_CTX_set_max_early_data(ctx, max) && SSL_CTX_set_recv_max_early_data(ctx, enough_to_skip(max));
    SSL_CTX_set_allow_early_data_cb(ctx, allow_early, guarded ? (void *)&yes : NULL);
    if (guarded)
        SSL_CTX_set_options(ctx, SSL_OP_NO_ANTI_REPLAY);
    else if (max > 0)
        SSL_CTX_clear_options(ctx, SSL_OP_NO_ANTI_REPLAY); /* of openssl.cnf */
    sessl_err_take(e);
    return ok;
}

/* At the end of early data that it has accepted libssl goes on with the handshake in the same
 * call, and does not say if that fails, in 1.1.1w, 3.0, 3.5, 3.6 and 4.0: SSL_read_early_data has three
 * answers, and SSL_get_error none for this one. But for want of input nothing is queued (see
 * bio_read), so what is queued is the failure. */
static int has_failed(sessl_conn *c, int ret)
{
    return ret == SSL_READ_EARLY_DATA_ERROR
        || (ret == SSL_READ_EARLY_DATA_FINISH && SSL_get_early_data_status(c->ssl) == SSL_EARLY_DATA_ACCEPTED
            && ERR_peek_error() != 0);
}

/* One record of early data at most. The first call does a server's side of the handshake. */
void sessl_conn_read_early(sessl_conn *c, int fd, const uint8_t *in, size_t in_len, uint8_t *p, size_t n,
                           sessl_step *st)
{
    int ret;

    sessl_step_begin(c, fd, in, in_len, NULL, 0, st);
    if (c->early == SESSL_EARLY_NONE)
        c->early = SESSL_EARLY_BEGUN;
    if (sessl_step_holds(c, st)) {
        sessl_conn_end(c, st);
        return;
    }
    if (sessl_step_elsewhere(c, st)) {
        sessl_conn_end(c, st);
        return;
    }
    ret = SSL_read_early_data(c->ssl, p, n, &st->n);
    st->status = sessl_step_status(c, has_failed(c, ret) ? -1 : 1);
    if (ret == SSL_READ_EARLY_DATA_FINISH && st->status == SESSL_OK)
        st->status = SESSL_EARLY_END;
    sessl_conn_end(c, st);
}

/* A client's ClientHello, unless it has been sent, and p behind it. All of it waits for
 * output. */
void sessl_conn_write_early(sessl_conn *c, const uint8_t *p, size_t n, sessl_step *st)
{
    int first = SSL_in_before(c->ssl);

    sessl_step_begin(c, -1, NULL, 0, NULL, 0, st);
    c->early = SESSL_EARLY_BEGUN;
    st->status = sessl_step_status(c, SSL_write_early_data(c->ssl, p, n, &st->n));
    if (first)
        sessl_conn_hello_sent(c);
    sessl_conn_end(c, st);
}

/* SSL_EARLY_DATA_*, which are the numbers of Go's constants. */
int sessl_conn_early_status(sessl_conn *c)
{
    return SSL_get_early_data_status(c->ssl);
}

/* This connection's tickets, and what it accepts. What it skips stays as it is: the client may
 * have a ticket that allows more. */
int sessl_conn_set_max_early(sessl_conn *c, uint32_t max, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    ok = SSL_set_max_early_data(c->ssl, max);
    sessl_err_take(e);
    return ok;
}

int sessl_conn_set_skip_early(sessl_conn *c, uint32_t n, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    ok = SSL_set_recv_max_early_data(c->ssl, n);
    sessl_err_take(e);
    return ok;
}

/* Whether libssl has what the keys of early data are made of. A client whose server has not
 * resumed the session has not: libssl takes the suite of a session that is gone by then. */
static int has_early_keys(sessl_conn *c)
{
    SSL_SESSION *s = SSL_get0_session(c->ssl); /* borrowed, under the connection's mutex */
    int status = SSL_get_early_data_status(c->ssl);

    if (s == NULL || SSL_SESSION_get0_cipher(s) == NULL || c->fatal)
        return 0;
    if (status == SSL_EARLY_DATA_ACCEPTED)
        return 1;
    return !c->server && status != SSL_EARLY_DATA_NOT_SENT
        && s == c->offered; /* the server has not answered */
}

/* -1 where there are no such keys, or no longer. */
int sessl_conn_export_early(sessl_conn *c, uint8_t *out, size_t n, const char *label, size_t label_len,
                            const uint8_t *context, size_t context_len, sessl_err *e)
{
    uint32_t max = SSL_get_max_early_data(c->ssl);
    int ok;

    if (!has_early_keys(c))
        return -1;
    sessl_err_begin(e);
    if (!c->server) /* else libssl looks at an external key, where a ticket allows none */
        SSL_set_max_early_data(c->ssl, 0);
    ok = SSL_export_keying_material_early(c->ssl, out, n, label, label_len, context, context_len) == 1;
    if (!c->server)
        SSL_set_max_early_data(c->ssl, max);
    sessl_err_take(e);
    return ok;
}
