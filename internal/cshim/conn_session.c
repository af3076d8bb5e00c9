#include "private.h"

/* Sessions that enter and leave a connection. The caller holds its mutex: the lock
 * inside SSL_get1_session protects nothing, for no writer takes it. */

/* What a session that waits for Go counts for: a ticket of any length is the server's choice. */
int sessl_session_weight(const SSL_SESSION *s)
{
    const unsigned char *p; /* borrowed */
    size_t n = 0;

    SSL_SESSION_get0_ticket(s, &p, &n);
    return 1 + (int)(n / 4096);
}

static void drop_oldest(sessl_conn *c)
{
    SSL_SESSION *s = c->fresh[0];

    c->fresh_n--;
    c->fresh_weight -= sessl_session_weight(s);
    memmove(c->fresh, c->fresh + 1, sizeof(s) * (size_t)c->fresh_n);
    sessl_drop_session(s);
}

/* Takes over one reference on s; without room for it, gives it back. A server can send tickets
 * without end: the oldest go, which it had the least reason to remember. */
static int queue_push(sessl_conn *c, SSL_SESSION *s)
{
    if (c->fresh_n == c->fresh_cap) {
        int cap = c->fresh_cap == 0 ? 4 : 2 * c->fresh_cap;
        SSL_SESSION **p = OPENSSL_realloc(c->fresh, sizeof(*p) * (size_t)cap);

        if (p == NULL) {
            sessl_drop_session(s);
            return 0;
        }
        c->fresh = p;
        c->fresh_cap = cap;
    }
    c->fresh[c->fresh_n++] = s;
    c->fresh_weight += sessl_session_weight(s);
    while (!c->server && c->fresh_weight > SESSL_FRESH_MAX && c->fresh_n > 1)
        drop_oldest(c);
    return 1;
}

static int is_wanted(const sessl_conn *c, const SSL_SESSION *s)
{
    return c->keep_new == SESSL_KEEP_ALL || (c->keep_new == SESSL_KEEP_STAYING && !sessl_session_travels(s));
}

static void announce(sessl_conn *c, SSL_SESSION *s)
{
    sessl_session_share(s);
    if (c->stamp != NULL)
        sessl_session_set_note(s, SESSL_STAMP, c->stamp, c->stamp_len); /* on failure: verified again */
    if (is_wanted(c, s) && SSL_SESSION_up_ref(s)) {                     /* +1, for the queue */
        queue_push(c, s);
        c->unkept |= c->lookup && !sessl_session_travels(s);
    }
}

/* Inside a handshake or a read. Returning 0 leaves libssl the reference that it added
 * for us, whatever happens here; ours is a separate one. */
int sessl_new_session_cb(SSL *ssl, SSL_SESSION *s)
{
    sessl_conn *c = SSL_get_ex_data(ssl, sessl_ssl_slot);

    ERR_set_mark();
    if (c != NULL) {
        if (SSL_version(ssl) == TLS1_3_VERSION) {
            c->tickets++;
            sessl_conn_limit_early(c, s);
        } else if (c->server) {
            sessl_cap_timeout(ssl, s); /* a TLS 1.2 id has no ticket callback */
            sessl_chain_shown(ssl, s); /* on failure: Go notes it, or fails */
        }
        announce(c, s);
    }
    ERR_pop_to_mark();
    return 0;
}

/* The handshake is over. libssl does not report a ticket that a TLS 1.2 server renewed
 * during a resumption, in 1.1.1w, 3.0, 3.5, 3.6 and 4.0: SSL_CTX_sess_set_new_cb is not called. Only the
 * connection's session being another object shows it. */
void sessl_conn_renewed(sessl_conn *c)
{
    SSL_SESSION *now = SSL_get0_session(c->ssl); /* borrowed, under the connection's mutex */

    if (c->offered == NULL)
        return;
    if (now != NULL && now != c->offered && SSL_session_reused(c->ssl)
        && SSL_version(c->ssl) < TLS1_3_VERSION)
        announce(c, now);
    sessl_drop_session(c->offered);
    c->offered = NULL;
}

/* The current session, borrowed, and one reference more that is the caller's. */
SSL_SESSION *sessl_conn_retain_session(sessl_conn *c)
{
    SSL_SESSION *s = SSL_get0_session(c->ssl);

    if (s == NULL || !SSL_SESSION_up_ref(s))
        return NULL;
    sessl_session_share(s);
    return s;
}

/* s, or with dup a copy of it that belongs to this connection's Ctx, is offered. */
int sessl_conn_set_session(sessl_conn *c, SSL_SESSION *s, int dup, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    sessl_set_current_ctx(c->ctx_id);
    if (dup)
        s = SSL_SESSION_dup(s);      /* returns +1 */
    else if (!SSL_SESSION_up_ref(s)) /* +1 */
        s = NULL;
    ok = s != NULL && SSL_set_session(c->ssl, s); /* the SSL takes its own reference */
    if (ok) {
        sessl_session_share(s);
        sessl_drop_session(c->offered);
        c->offered = s; /* ours, for sessl_conn_renewed */
    } else {
        sessl_drop_session(s);
    }
    sessl_err_take(e);
    return ok;
}

/* No session is offered, whatever was set before. */
void sessl_conn_withhold(sessl_conn *c)
{
    SSL_set_session(c->ssl, NULL); /* the SSL drops its own reference */
    sessl_drop_session(c->offered);
    c->offered = NULL;
    sessl_err_clear();
}

/* The peer has been verified: the session in use, and all that follow, say so. An empty
 * stamp (n is 0) takes that back. */
int sessl_conn_set_stamp(sessl_conn *c, const uint8_t *p, size_t n)
{
    SSL_SESSION *s = SSL_get0_session(c->ssl); /* borrowed, under the connection's mutex */
    uint8_t *copy = n == 0 ? NULL : OPENSSL_memdup(p, n);
    int ok = n == 0 || copy != NULL;

    if (ok) {
        OPENSSL_free(c->stamp);
        c->stamp = copy;
        c->stamp_len = n;
        /* Not left to chance: a stamp that stays would speak for another peer. */
        if (s != NULL)
            ok = sessl_session_set_note(s, SESSL_STAMP, p, n);
    }
    sessl_err_clear();
    return ok;
}

/* 1 when the leaf in s verifies now, under this connection's roots, purpose and name.
 * Intermediates do not travel with a parsed session, so such a leaf fails here. */
int sessl_conn_verify_again(sessl_conn *c, SSL_SESSION *s)
{
    X509 *leaf = SSL_SESSION_get0_peer(s);  /* borrowed from the session */
    SSL_CTX *ctx = SSL_get_SSL_CTX(c->ssl); /* borrowed from the SSL */
    X509_VERIFY_PARAM *param;
    X509_STORE_CTX *v = leaf == NULL ? NULL : X509_STORE_CTX_new();
    int ok;

    ok = v != NULL && X509_STORE_CTX_init(v, SSL_CTX_get_cert_store(ctx), leaf, NULL)
        && X509_STORE_CTX_set_ex_data(v, SSL_get_ex_data_X509_STORE_CTX_idx(), c->ssl)
        && X509_STORE_CTX_set_default(v, c->server ? "ssl_client" : "ssl_server")
        && (param = X509_STORE_CTX_get0_param(v)) != NULL
        && X509_VERIFY_PARAM_set1(param, SSL_get0_param(c->ssl));
    if (ok) {
        X509_VERIFY_PARAM_set_auth_level(param, SSL_get_security_level(c->ssl));
        ok = sessl_verify_paths(v) && (!c->check_host || sessl_cert_is_for(leaf, &c->host));
    }
    X509_STORE_CTX_free(v);
    sessl_err_clear();
    return ok;
}
