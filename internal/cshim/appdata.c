#include "private.h"

/* From when on a session with that frame must not be resumed by ctx; 0: no such time. It is
 * the sooner of what the server that made it has said and what this one says. A session
 * whose age is not known has no time left where there is a limit. */
static int64_t end_of_life(const SSL_CTX *ctx, const sessl_frame *f)
{
    const sessl_policy *p = sessl_ctx_policy(ctx);
    int64_t max = p == NULL ? 0 : p->max_age, end = f->born + max;

    if (max == 0 || (f->deadline != 0 && f->deadline < end))
        return f->deadline;
    return f->born == 0 ? 1 : end;
}

/* Whether the ticket that libssl is about to make is only the name of a session that stays
 * here, with all that is noted about it. */
static int is_stateful(SSL *ssl)
{
    unsigned long options = (unsigned long)SSL_get_options(ssl);

    return SSL_version(ssl) == TLS1_3_VERSION
        && ((options & SSL_OP_NO_TICKET) != 0
            || (SSL_get_max_early_data(ssl) > 0 && (options & SSL_OP_NO_ANTI_REPLAY) == 0));
}

/* What is known of the age of s goes on from ticket to ticket, also into those that a
 * resumption makes: libssl begins anew there. An external key begins anew, too. */
static void settle_age(const sessl_conn *c, SSL *ssl, SSL_SESSION *s, sessl_frame *f)
{
    int64_t chain = sessl_chain_until(ssl);

    if (!SSL_session_reused(ssl) || sessl_conn_made(c, s))
        f->born = c->appdata.born;
    f->deadline = end_of_life(SSL_get_SSL_CTX(ssl), f);
    if (chain != 0 && (f->deadline == 0 || chain < f->deadline))
        f->deadline = chain;
    if (f->deadline != 0)
        sessl_cap_life(s, f->deadline - sessl_now());
}

/* What the application has to say now takes the place of what the resumed session brought,
 * which the application may still want to see. */
static int settle_data(sessl_conn *c, SSL *ssl, sessl_frame *f)
{
    sessl_appdata *a = &c->appdata;

    if (!a->data_set)
        return 1;
    if (SSL_session_reused(ssl) && !a->brought_set && f->data_len > 0) {
        a->brought = OPENSSL_memdup(f->data, f->data_len);
        if (a->brought == NULL)
            return 0;
        a->brought_len = f->data_len;
    }
    a->brought_set = 1;
    f->data = a->data;
    f->data_len = a->data_len;
    return 1;
}

/* The tickets that follow have that for the connections which resume them; n may be 0. */
int sessl_conn_set_ticket_data(sessl_conn *c, const uint8_t *p, size_t n)
{
    uint8_t *copy = n == 0 ? NULL : OPENSSL_memdup(p, n);

    if (n > 0 && copy == NULL) {
        sessl_err_clear();
        return 0;
    }
    OPENSSL_free(c->appdata.data);
    c->appdata.data = copy;
    c->appdata.data_len = n;
    c->appdata.data_set = 1;
    return 1;
}

/* What the resumed session has brought, borrowed; the handshake is over. */
size_t sessl_conn_ticket_data(sessl_conn *c, const uint8_t **p)
{
    SSL_SESSION *s = SSL_get0_session(c->ssl); /* borrowed */
    sessl_frame f;

    if (c->appdata.brought_set) {
        *p = c->appdata.brought;
        return c->appdata.brought_len;
    }
    if (s == NULL || !SSL_session_reused(c->ssl) || !sessl_session_frame(s, &f))
        return 0;
    *p = f.data;
    return f.data_len;
}

void sessl_conn_drop_ticket_data(sessl_conn *c)
{
    OPENSSL_free(c->appdata.data);
    OPENSSL_free(c->appdata.brought);
    memset(&c->appdata, 0, sizeof(c->appdata));
}

/* Without the chain of a client that has a certificate the ticket does not resume. Where the chain is
 * too long for a frame, the frame says that there is none. */
static int put_frame(sessl_conn *c, SSL *ssl, SSL_SESSION *s)
{
    sessl_frame f;
    sessl_buf chain = {0};
    int had = sessl_session_frame(s, &f), ok = 1;

    settle_age(c, ssl, s, &f);
    if (!settle_data(c, ssl, &f))
        return 0;
    f.chain = NULL;
    f.chain_len = 0;
    if (SSL_SESSION_get0_peer(s) != NULL && !is_stateful(ssl) && sessl_chain_pack(ssl, s, &chain)
        && SESSL_FRAME_HEAD + f.data_len + (chain.tail - chain.head) <= SESSL_FRAME_MAX) {
        f.chain = chain.p + chain.head;
        f.chain_len = chain.tail - chain.head;
    }
    if (had || f.chain != NULL || f.deadline != 0 || f.data_len > 0)
        ok = sessl_session_set_frame(s, &f);
    sessl_buf_free(&chain);
    return ok;
}

/* Before a ticket is made of s, which no other has: SSL_CTX_set_session_ticket_cb. 0 ends
 * the connection: without memory. */
static int prepare(sessl_conn *c, SSL *ssl, SSL_SESSION *s)
{
    sessl_cap_timeout(ssl, s);
    return sessl_session_keep_host(ssl, s) && sessl_conn_disown_answer(c, s) && sessl_chain_shown(ssl, s)
        && put_frame(c, ssl, s);
}

static int ticket_cb(SSL *ssl, void *arg)
{
    SSL_SESSION *s = SSL_get0_session(ssl); /* borrowed, inside of the handshake */
    sessl_conn *c = SSL_get_ex_data(ssl, sessl_ssl_slot);
    int ok;

    (void)arg;
    if (s == NULL || c == NULL)
        return 1;
    /* TLS 1.2 also makes a ticket of a session that it has found in a cache, where others
     * are using it. Such a ticket has what the session has. */
    if (SSL_version(ssl) < TLS1_3_VERSION && SSL_session_reused(ssl) && s != c->appdata.opened)
        return 1;
    if (SSL_version(ssl) == TLS1_3_VERSION)
        sessl_conn_settle_issued(c, ssl, s); /* first: it says what has to be in the ticket */
    ERR_set_mark();
    ok = prepare(c, ssl, s);
    ERR_pop_to_mark();
    return ok;
}

/* A TLS 1.2 session without an id is to travel in a ticket. Without a key for that the client is
 * promised none; it would otherwise get an empty one (RFC 5077, section 3.3). */
static void withhold(sessl_conn *c, SSL *ssl, const SSL_SESSION *s)
{
    unsigned n;

    SSL_SESSION_get_id(s, &n);
    if (SSL_version(ssl) >= TLS1_3_VERSION || n > 0 || c->appdata.veto || sessl_conn_seals(c))
        return;
    SSL_set_options(ssl, SSL_OP_NO_TICKET);
    c->withheld |= SESSL_WITHHELD_12;
}

/* A full handshake has got its session, which no other has yet. TLS 1.2 may never make a
 * ticket of it: what is known of its age is left with it here. It is the callback of
 * SSL_CTX_set_not_resumable_session_callback, whose answer is the veto.
 *
 * No callback is meant for the beginning of a full handshake, in 1.1.1w, 3.0, 3.5, 3.6 and 4.0: the
 * one for the ClientHello comes before it is known whether a session is resumed, the one for a
 * ticket only where a ticket is made, the one for a new session when the client may have it, and
 * SSL_CTX_set_info_callback has states of libssl's machine and takes no answer. */
static int begun_cb(SSL *ssl, int forward_secure)
{
    SSL_SESSION *s = SSL_get0_session(ssl); /* borrowed, inside of the handshake */
    sessl_conn *c = SSL_get_ex_data(ssl, sessl_ssl_slot);

    (void)forward_secure;
    if (s == NULL || c == NULL)
        return 0;
    c->appdata.born = sessl_now();
    ERR_set_mark();
    c->appdata.veto |= !sessl_session_keep_host(ssl, s);
    if (c->appdata.veto)
        SSL_SESSION_set1_id(s, (const uint8_t *)"", 0); /* else a TLS 1.2 client would come back with it */
    if (SSL_version(ssl) < TLS1_3_VERSION && !put_frame(c, ssl, s))
        c->appdata.born = 0; /* without memory it is of unknown age */
    withhold(c, ssl, s);
    ERR_pop_to_mark();
    return c->appdata.veto;
}

#define LEAST_SKEW 60
#define MOST_SKEW 300

/* The seconds by which another server's clock may be fast: a twelfth of ctx's limit, which a session
 * then lasts longer here, but a minute at least and five at most. */
static int64_t fast_by(const SSL_CTX *ctx)
{
    const sessl_policy *p = sessl_ctx_policy(ctx);
    int64_t skew = p == NULL ? 0 : p->max_age / 12;

    return skew < LEAST_SKEW ? LEAST_SKEW : skew > MOST_SKEW ? MOST_SKEW : skew;
}

/* Whether the age of a session with that frame is within the limits. A session that begins
 * later than now was made while a clock was wrong, and its age is not known. */
static int is_young(const SSL_CTX *ctx, const sessl_frame *f)
{
    int64_t end = end_of_life(ctx, f), now = sessl_now();

    return end == 0 || (now < end && f->born <= now + fast_by(ctx));
}

/* Whether s has a cipher suite of ctx: in TLS 1.2 libssl looks for it among the client's only.
 * In TLS 1.3 a session has no more than the hash of one. */
static int has_our_suite(const SSL_CTX *ctx, const SSL_SESSION *s)
{
    const SSL_CIPHER *suite = SSL_SESSION_get0_cipher(s); /* borrowed */

    return suite == NULL || SSL_SESSION_get_protocol_version(s) >= TLS1_3_VERSION
        || sk_SSL_CIPHER_find(SSL_CTX_get_ciphers(ctx), (SSL_CIPHER *)suite) >= 0;
}

/* Whether s, which is about to be resumed, is what ctx would agree to now, young enough and
 * brings what its connection must know: 0 means a full handshake. */
int sessl_session_admit(SSL_CTX *ctx, SSL_SESSION *s)
{
    const uint8_t *noted;
    sessl_frame f;
    int ok;

    ERR_set_mark();
    sessl_session_frame(s, &f);
    ok = is_young(ctx, &f) && has_our_suite(ctx, s);
    if (ok && SSL_SESSION_get0_peer(s) != NULL && sessl_session_note(s, SESSL_CHAIN, &noted) == 0)
        ok = f.chain != NULL && sessl_chain_unpack(ctx, s, &f);
    ERR_pop_to_mark();
    return ok;
}

/* libssl's own cache has no callback before it resumes s, and goes by the timeout alone. */
int sessl_session_admit_to_cache(SSL_CTX *ctx, SSL_SESSION *s)
{
    sessl_frame f;
    int64_t end, begin = sessl_session_get_time(s), timeout = SSL_SESSION_get_timeout(s);

    sessl_session_frame(s, &f);
    end = end_of_life(ctx, &f);
    return (end == 0 || (begin <= SESSL_TIME_MAX && timeout <= SESSL_TIME_MAX && begin + timeout <= end))
        && sessl_session_admit(ctx, s); /* last: it notes the chain */
}

/* A ticket has been opened, or not: SSL_CTX_set_session_ticket_cb. The key's callback has said
 * whether the client gets another, and with this one here that is to be said again. */
static SSL_TICKET_RETURN opened_cb(SSL *ssl, SSL_SESSION *s, const unsigned char *name, size_t n,
                                   SSL_TICKET_STATUS status, void *arg)
{
    sessl_conn *c = SSL_get_ex_data(ssl, sessl_ssl_slot);

    (void)name, (void)n, (void)arg;
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) {
        sessl_err_clear(); /* libssl goes on without it, and so it is no failure of the step */
        return SSL_TICKET_RETURN_IGNORE_RENEW; /* to use it would be fatal */
    }
    if (c == NULL || !sessl_session_names_host(ssl, s) || !sessl_session_admit(SSL_get_SSL_CTX(ssl), s))
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    sessl_session_set_travels(s, c->forms != SESSL_FORM_ONE);
    c->appdata.opened = s;
    return status == SSL_TICKET_SUCCESS || c->appdata.veto ? SSL_TICKET_RETURN_USE
                                                           : SSL_TICKET_RETURN_USE_RENEW;
}

int sessl_ctx_frame_tickets(SSL_CTX *ctx)
{
    SSL_CTX_set_not_resumable_session_callback(ctx, begun_cb);
    return SSL_CTX_set_session_ticket_cb(ctx, ticket_cb, opened_cb, NULL);
}
