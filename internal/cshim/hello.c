#include "private.h"

/* What a client asks for is known before libssl has done anything about it: the
 * client_hello callback copies it for Go, and can leave the handshake waiting there. */

/* The extensions as they came. libssl has looked at the lengths in the message, which is none of a
 * handshake if the hello has the form of SSL 2. */
static int put_extensions(sessl_buf *b, const sessl_conn *c)
{
    sessl_reader r = {0};
    const uint8_t *extensions;
    size_t n;

    if (c->message == NULL)
        return 1;
    r.p = c->message;
    r.end = c->message + c->message_len;
    sessl_take(&r, SSL3_HM_HEADER_LENGTH + 2 + SSL3_RANDOM_SIZE);
    sessl_take_counted(&r, 1, &n); /* session id */
    sessl_take_counted(&r, 2, &n); /* suites */
    sessl_take_counted(&r, 1, &n); /* compression */
    extensions = sessl_take_counted(&r, 2, &n);
    return extensions == NULL || sessl_buf_append(b, extensions, n);
}

/* Those of a ClientHello that was encrypted, of which there is no other record: without the ones that
 * libssl does not know. */
static int put_inner(sessl_buf *b, SSL *ssl)
{
    const unsigned char *p;
    int *types = NULL, ok;
    size_t n = 0, len, i;

    ok = SSL_client_hello_get1_extensions_present(ssl, &types, &n);
    for (i = 0; i < n && ok; i++)
        if (SSL_client_hello_get0_ext(ssl, (unsigned)types[i], &p, &len)) /* borrowed */
            ok = sessl_buf_number(b, (size_t)types[i], 2) && sessl_buf_counted(b, p, len, 2);
    OPENSSL_free(types);
    return ok;
}

/* The parts of a ClientHello that matter for a choice, laid out much as on the wire:
 * version, session id, cipher suites, extensions. */
static int copy_hello(const sessl_conn *c, SSL *ssl, sessl_buf *b)
{
    const unsigned char *p;
    size_t n;

    sessl_buf_free(b);
    if (!sessl_buf_number(b, SSL_client_hello_get0_legacy_version(ssl), 2))
        return 0;
    n = SSL_client_hello_get0_session_id(ssl, &p); /* borrowed, as the rest is */
    if (!sessl_buf_counted(b, p, n, 1))
        return 0;
    n = SSL_client_hello_get0_ciphers(ssl, &p);
    return sessl_buf_counted(b, p, n, 2)
        && (sessl_conn_ech_accepted(c) ? put_inner(b, ssl) : put_extensions(b, c));
}

/* What the first hello said about type; NULL for nothing. */
static const uint8_t *first_hello(const sessl_buf *b, unsigned type, size_t *n)
{
    const uint8_t *p = b->p + b->head, *end = b->p + b->tail;

    p += 2;
    p += 1 + p[0];
    p += 2 + (size_t)(p[0] << 8 | p[1]);
    while (p < end) {
        *n = (size_t)(p[2] << 8 | p[3]);
        if ((unsigned)(p[0] << 8 | p[1]) == type)
            return p + 4;
        p += 4 + *n;
    }
    return NULL;
}

static int same_as_first(const sessl_conn *c, unsigned type)
{
    const unsigned char *now = NULL;
    size_t n = 0, had = 0;
    const uint8_t *first = first_hello(&c->hello, type, &had);

    if (!SSL_client_hello_get0_ext(c->ssl, type, &now, &n)) /* borrowed */
        return first == NULL;
    return first != NULL && n == had && memcmp(now, first, n) == 0;
}

static int refuse(int *al, int alert)
{
    *al = alert;
    return SSL_CLIENT_HELLO_ERROR;
}

/* Whether this first flight could be one that has been here before. */
static int needs_claim(const sessl_conn *c)
{
    return c->guarded && (c->offers & SESSL_OFFERS_EARLY) != 0;
}

/* Whether Go says which Ctx answers, or may know the session, the key or the early data that the
 * client has, or the key of its ticket, or in which form it is to get a session. */
static int has_question(const sessl_conn *c, SSL *ssl)
{
    return c->hello_use == SESSL_HELLO_ASK || sessl_hello_may_be_cached(c, ssl)
        || (c->psk.ask && (c->offers & SESSL_OFFERS_PSK) != 0) || needs_claim(c) || c->ask_form
        || sessl_hello_has_unknown_key(c, ssl);
}

/* libssl goes on with this hello. */
static int proceed(sessl_conn *c, SSL *ssl)
{
    sessl_conn_settle(c, ssl);
    sessl_conn_settle_form(c, ssl);
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* SSL_CTX_set_client_hello_cb of every server. It is called once a hello; once more when
 * Go has answered; and for the second hello after a HelloRetryRequest, which must not ask
 * for another host: that choice has been made. libssl looks at neither. */
int sessl_hello_cb(SSL *ssl, int *al, void *arg)
{
    sessl_conn *c = SSL_get_ex_data(ssl, sessl_ssl_slot);

    (void)arg;
    if (c == NULL)
        return SSL_CLIENT_HELLO_SUCCESS;
    SSL_set_msg_callback(ssl, NULL);
    if (sessl_conn_ech_accepted(c))
        sessl_conn_forget_message(c); /* its binder is not that of the inner one */
    c->offers |= sessl_hello_offers(ssl, c->only_tls12);
    if (c->hello_use == SESSL_HELLO_UNSEEN && !has_question(c, ssl))
        return proceed(c, ssl);
    c->by_name |= c->hello_use == SESSL_HELLO_ASK;
    switch (c->hello_state) {
    case SESSL_HELLO_FIRST:
        if (!copy_hello(c, ssl, &c->hello)) {
            c->alloc_failed = 1;
            return refuse(al, SSL_AD_INTERNAL_ERROR);
        }
        if (has_question(c, ssl)) {
            c->ask = SESSL_ASK_HELLO;
            return SSL_CLIENT_HELLO_RETRY;
        }
        break;
    case SESSL_HELLO_REFUSED: return refuse(al, c->alert);
    case SESSL_HELLO_SEEN:
        if (!same_as_first(c, TLSEXT_TYPE_server_name)
            || !same_as_first(c, TLSEXT_TYPE_application_layer_protocol_negotiation)) {
            c->hello_changed = 1;
            return refuse(al, SSL_AD_ILLEGAL_PARAMETER);
        }
        break;
    }
    c->hello_state = SESSL_HELLO_SEEN;
    return proceed(c, ssl);
}

/* Go goes on with the Ctx that the connection has. */
void sessl_conn_hello_done(sessl_conn *c)
{
    c->hello_state = SESSL_HELLO_ANSWERED;
    sessl_buf_free(&c->replay);
    sessl_conn_forget_message(c);
}

/* Go goes on with another Ctx: a new SSL that gets the same bytes, so that everything is
 * the new Ctx's. SSL_set_SSL_CTX would leave the old one's verification, options, versions,
 * ticket count, timeout and callbacks in force. Nothing has been sent so far. */
int sessl_conn_restart(sessl_conn *c, SSL_CTX *ctx, uint64_t ctx_id, sessl_err *e)
{
    SSL *old = c->ssl;
    int ok;

    sessl_err_begin(e);
    sessl_set_current_ctx(ctx_id);
    ok = sessl_buf_append(&c->replay, c->in.p + c->in.head, c->in.tail - c->in.head);
    c->ssl = ok ? SSL_new(ctx) : NULL; /* returns +1, and holds its own reference on ctx */
    ok = c->ssl != NULL && sessl_conn_attach(c) && sessl_ech_carry(c, old, c->ssl);
    sessl_err_take(e);
    if (!ok) {
        SSL_free(c->ssl);
        c->ssl = old;
        return 0;
    }
    SSL_free(old);              /* -1; it has no session yet that this could invalidate */
    sessl_certs_free(c->certs); /* the new Ctx may have some */
    c->certs = NULL;
    sessl_buf_free(&c->in);
    c->in = c->replay;
    memset(&c->replay, 0, sizeof(c->replay));
    c->ctx_id = ctx_id;
    c->offers = 0; /* the hello comes once more */
    c->hello_state = SESSL_HELLO_ANSWERED;
    return 1;
}

/* The handshake step that follows ends with this alert, wherever it was suspended. */
void sessl_conn_refuse(sessl_conn *c, int alert)
{
    c->alert = alert;
    c->refused = 1;
    c->hello_state = c->hello_state == SESSL_HELLO_FIRST ? SESSL_HELLO_REFUSED : c->hello_state;
}
