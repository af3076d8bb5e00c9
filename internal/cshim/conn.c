#include "private.h"
#include "signer.h"

/* One step of a connection: it never blocks, and tells what it came to in a sessl_step.
 * The caller holds the connection's mutex: an SSL is not safe for concurrent use. */

/* Gives c->ssl what every SSL of a connection needs. */
int sessl_conn_attach(sessl_conn *c)
{
    const BIO_METHOD *m = sessl_bio_method();
    BIO *b = m == NULL ? NULL : BIO_new(m);

    if (b == NULL)
        return 0;
    BIO_set_data(b, c);
    BIO_set_init(b, 1);
    SSL_set_bio(c->ssl, b, b); /* takes the one reference, for both directions */
    if (c->server)
        SSL_set_accept_state(c->ssl);
    else
        SSL_set_connect_state(c->ssl);
    sessl_conn_watch_staple(c);
    sessl_conn_watch_hello(c);
    return SSL_set_ex_data(c->ssl, sessl_ssl_slot, c);
}

/* Makes the SSL, which there is only once. */
static int make(sessl_conn *c)
{
    sessl_set_current_ctx(c->ctx_id);
    c->ssl = SSL_new(c->ctx); /* returns +1, and holds its own reference on ctx */
    if (c->ssl == NULL || !sessl_conn_attach(c)) {
        SSL_free(c->ssl);
        c->ssl = NULL;
        return 0;
    }
    SSL_CTX_free(c->ctx); /* -1 */
    c->ctx = NULL;
    return 1;
}

int sessl_conn_make(sessl_conn *c, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    ok = make(c);
    sessl_err_take(e);
    return ok;
}

/* A server's has no SSL yet: a client that says nothing is to cost little. A client's is for the peer of that
 * name, which may be empty: see sessl_conn_set_name. */
sessl_conn *sessl_conn_new(SSL_CTX *ctx, int server, uint64_t ctx_id, const char *name, size_t n,
                           const uint8_t *ip, size_t ip_len, int check, sessl_err *e)
{
    sessl_conn *c;
    int ok;

    sessl_err_begin(e);
    c = OPENSSL_zalloc(sizeof(*c));
    if (c != NULL && !SSL_CTX_up_ref(ctx)) { /* +1, until the SSL has its own */
        OPENSSL_free(c);
        c = NULL;
    }
    if (c != NULL) {
        c->ctx = ctx;
        c->ctx_id = ctx_id;
        c->server = c->hold.due = server;
        c->fd = -1;
    }
    ok = c != NULL && (server || make(c));
    sessl_err_take(e);
    if (ok && (n == 0 || server || sessl_conn_set_name(c, name, n, ip, ip_len, check, e)))
        return c;
    if (c != NULL)
        sessl_conn_free(c);
    return NULL;
}

/* Frees everything the connection holds. Without SSL_SENT_SHUTDOWN, SSL_free would mark
 * the current session not resumable for everyone who holds it, in 1.1.1w, 3.0, 3.5, 3.6 and 4.0, and
 * no other function frees an SSL; after a fatal error it must do just that, so the flag is set only
 * where the connection ended well. */
void sessl_conn_free(sessl_conn *c)
{
    int i;

    sessl_signing_end(c);
    if (c->ssl != NULL && !c->fatal)
        SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_get_shutdown(c->ssl));
    SSL_free(c->ssl); /* with it its references on the session, the Ctx and the BIO */
    SSL_CTX_free(c->ctx);
    for (i = 0; i < c->fresh_n; i++)
        sessl_drop_session(c->fresh[i]);
    sessl_drop_session(c->offered);
    sessl_conn_drop_found(c);
    sessl_conn_drop_psk(c);
    sessl_conn_drop_ticket_data(c);
    sessl_conn_drop_keys(c);
    sessl_host_clear(&c->host);
    sessl_certs_free(c->certs);
    OPENSSL_free(c->fresh);
    OPENSSL_free(c->stamp);
    OPENSSL_free(c->protos);
    X509_free(c->bad_cert);
    EVP_PKEY_free(c->bad_key);
    sessl_conn_take_keylog(c, NULL);
    sessl_buf_free(&c->in);
    sessl_buf_free(&c->out);
    sessl_buf_free(&c->hello);
    sessl_buf_free(&c->replay);
    sessl_conn_forget_message(c);
    sessl_conn_forget_chains(c);
    OPENSSL_free(c);
    sessl_err_clear();
}

static int is_suspension(int err)
{
    return err == SSL_ERROR_WANT_CLIENT_HELLO_CB || err == SSL_ERROR_WANT_X509_LOOKUP
        || err == SSL_ERROR_WANT_RETRY_VERIFY;
}

/* Whether the peer has said close_notify. After user_canceled, which TLS 1.3 lets come before
 * (RFC 8446, 6.1) and Java sends, SSL_get_error does not say so: 3.5 and later whatever the level
 * of the alerts, earlier ones for the level "fatal". A connection that failed is marked, too. */
static int is_closed(const sessl_conn *c, int err)
{
    return err == SSL_ERROR_ZERO_RETURN
        || (err == SSL_ERROR_SYSCALL && !c->fatal && ERR_peek_error() == 0
            && (SSL_get_shutdown(c->ssl) & SSL_RECEIVED_SHUTDOWN) != 0);
}

/* Turns the result of an SSL_* call into a status, on the thread that made the call. */
int sessl_step_status(sessl_conn *c, int ok)
{
    int err;

    if (ok > 0 && !c->alloc_failed)
        return SESSL_OK;
    if (c->ask != 0)
        sessl_err_clear(); /* libssl has stopped to wait, so what is queued it has got over: see bio_read */
    err = SSL_get_error(c->ssl, ok);
    if (!c->alloc_failed) {
        if (err == SSL_ERROR_WANT_READ)
            return SESSL_WANT_READ;
        if (is_closed(c, err))
            return SESSL_EOF;
        if (c->ask != 0 && is_suspension(err))
            return SESSL_SUSPENDED;
    }
    c->fatal = 1;
    sessl_err_take(&c->err);
    c->err.ssl_error = err;
    c->err.verify = SSL_get_verify_result(c->ssl);
    return SESSL_FAILED;
}

/* 1 when the step is over before libssl has been called. Otherwise there is an SSL. */
int sessl_step_holds(sessl_conn *c, sessl_step *st)
{
    if (sessl_conn_holds(c) && !c->alloc_failed) {
        st->status = SESSL_WANT_READ;
        return 1;
    }
    if (c->go_makes) {
        st->status = SESSL_UNMADE;
        return 1;
    }
    if (c->ssl != NULL || make(c))
        return 0;
    sessl_err_take(&c->err);
    c->fatal = 1;
    st->status = SESSL_FAILED;
    return 1;
}

static int shake_hands(sessl_conn *c)
{
    return sessl_step_status(c, SSL_do_handshake(c->ssl));
}

/* Takes the handshake as far as it goes on the thread that the connection has been lent, if any. 1 when
 * there is no more to do in this step. */
int sessl_step_elsewhere(sessl_conn *c, sessl_step *st)
{
    if (c->signing == NULL)
        return 0;
    st->status = sessl_signing_step(c, shake_hands);
    return st->status != SESSL_OK;
}

void sessl_step_begin(sessl_conn *c, int fd, const uint8_t *in, size_t in_len, uint8_t *sink, size_t cap,
                      sessl_step *st)
{
    sessl_err_begin(&c->err);
    sessl_set_current_ctx(c->ctx_id);
    sessl_conn_begin(c, fd, in, in_len, sink, cap);
    c->ask = 0;
    st->n = 0;
    st->late = 0;
}

/* A client has sent its first hello. 1.1.1w, 3.0, 3.5, 3.6 and 4.0 have no function that tells what is
 * in it. But where libssl could do nothing with the session that it was given, it has put a new one
 * in its place by now. */
void sessl_conn_hello_sent(sessl_conn *c)
{
    if (c->offered != NULL && SSL_get0_session(c->ssl) == c->offered) /* borrowed */
        c->offers = SESSL_OFFERS_ANY;
}

/* An alert means nothing to a peer that does not speak TLS, and would stand before the answer
 * that the application may have for it. */
static void drop_output(sessl_conn *c)
{
    sessl_buf_free(&c->out);
    c->answers = 0;
}

void sessl_conn_handshake(sessl_conn *c, int fd, const uint8_t *in, size_t in_len, sessl_step *st)
{
    int first = !c->server && SSL_in_before(c->ssl);

    sessl_step_begin(c, fd, in, in_len, NULL, 0, st);
    sessl_breath_begin(c);
    if (!sessl_step_holds(c, st) && !sessl_step_elsewhere(c, st))
        st->status = shake_hands(c);
    sessl_breath_end(c);
    if (first)
        sessl_conn_hello_sent(c);
    if (st->status == SESSL_FAILED && sessl_conn_is_foreign(c))
        drop_output(c);
    if (st->status == SESSL_OK) {
        c->early = SESSL_EARLY_NONE;
        sessl_conn_renewed(c);
        sessl_conn_psk_done(c);
        if (!c->server)
            sessl_conn_limit_early(c, SSL_get0_session(c->ssl)); /* borrowed */
        if (c->server) {
            sessl_conn_drop_found(c);
            sessl_conn_drop_staple(c);
            sessl_conn_ticket_done(c);
        }
    }
    sessl_conn_end(c, st);
}

/* As many records as are at hand and p has room for. */
void sessl_conn_read(sessl_conn *c, int fd, const uint8_t *in, size_t in_len, uint8_t *p, size_t n,
                     sessl_step *st)
{
    size_t got;
    int more = SESSL_OK;

    sessl_step_begin(c, fd, in, in_len, NULL, 0, st);
    c->room = n;
    if (!sessl_step_elsewhere(c, st))
        st->status = sessl_step_status(c, SSL_read_ex(c->ssl, p, n, &st->n));
    while (st->status == SESSL_OK && more == SESSL_OK && st->n < n && (c->in.p != NULL || c->feed_len > 0)) {
        int out = c->fd;

        c->fd = -1; /* what is there, without another recv */
        more = sessl_step_status(c, SSL_read_ex(c->ssl, p + st->n, n - st->n, &got));
        c->fd = out;
        if (more == SESSL_OK)
            st->n += got;
    }
    st->late = more == SESSL_FAILED;
    if (st->n > 0)
        c->declined = 0;
    sessl_conn_end(c, st);
}

/* As a read up to the first application byte, which stays. */
void sessl_conn_peek(sessl_conn *c, int fd, const uint8_t *in, size_t in_len, sessl_step *st)
{
    uint8_t b;

    sessl_step_begin(c, fd, in, in_len, NULL, 0, st);
    if (!sessl_step_elsewhere(c, st))
        st->status = sessl_step_status(c, SSL_peek_ex(c->ssl, &b, 1, &st->n));
    sessl_conn_end(c, st);
}

/* Before the end of a server's handshake libssl has another function for it. */
static int write_some(sessl_conn *c, const uint8_t *p, size_t n, size_t *put)
{
    return c->early == SESSL_EARLY_OPEN ? SSL_write_early_data(c->ssl, p, n, put)
                                        : SSL_write_ex(c->ssl, p, n, put);
}

/* Whether a handshake message of the peer's has come in part. libssl begins nothing then, and to
 * go on with the message is for a read, which can ask Go. */
int sessl_conn_midway(const sessl_conn *c)
{
    return (c->ssl == NULL || SSL_in_init(c->ssl)) && !c->fatal;
}

/* As many records as p fills, so that one send carries them all; in the middle of a handshake
 * message there are none. */
void sessl_conn_write(sessl_conn *c, int fd, const uint8_t *p, size_t n, uint8_t *sink, size_t cap,
                      sessl_step *st)
{
    size_t put;

    sessl_step_begin(c, fd, NULL, 0, sink, cap, st);
    if (c->early != SESSL_EARLY_OPEN && sessl_conn_midway(c)) {
        st->status = SESSL_WANT_READ;
        sessl_conn_end(c, st);
        return;
    }
    c->writes = 1;
    c->unkept = 0;
    if (cap == 0 && !sessl_buf_reserve(&c->out, n + (n / 16384 + 1) * 64))
        c->alloc_failed = 1;
    do {
        put = 0;
        st->status = sessl_step_status(c, write_some(c, p + st->n, n - st->n, &put));
        st->n += put;
    } while (st->status == SESSL_OK && st->n < n);
    sessl_conn_end(c, st);
}

/* Queues close_notify, and sends what waits if there is a socket; the peer's own is for SSL_read to
 * see. Nothing follows it: what libssl would still answer to the peer goes nowhere. In the middle of a
 * handshake message nothing is done. */
void sessl_conn_shutdown(sessl_conn *c, int fd, sessl_step *st)
{
    int ret;

    sessl_step_begin(c, fd, NULL, 0, NULL, 0, st);
    if (sessl_conn_midway(c)) {
        st->status = SESSL_WANT_READ;
    } else {
        ret = SSL_shutdown(c->ssl);
        st->status = sessl_step_status(c, ret == 0 ? 1 : ret); /* 0: sent, not yet received */
        c->mute = 1;
    }
    sessl_conn_end(c, st);
}

/* Moves output into the sink, or sends it, and does nothing else. */
void sessl_conn_output(sessl_conn *c, int fd, uint8_t *sink, size_t cap, sessl_step *st)
{
    sessl_conn_begin(c, fd, NULL, 0, sink, cap);
    c->unkept = 0;
    st->status = SESSL_OK;
    st->n = 0;
    st->late = 0;
    sessl_conn_end(c, st);
}
