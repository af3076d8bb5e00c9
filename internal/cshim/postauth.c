#include "private.h"

/* Post-handshake authentication (RFC 8446, 4.6.2): a server asks a client of TLS 1.3 for
 * its certificate in the middle of a connection. The answer comes with a read, and libssl
 * would go on to what follows in the same call; here it is held back until Go has verified it. */

/* For a client: it may be asked. */
void sessl_ctx_offer_auth(SSL_CTX *ctx)
{
    SSL_CTX_set_post_handshake_auth(ctx, 1);
}

/* For a server: TLS 1.3 clients are asked after the handshake, not in it. */
void sessl_ctx_auth_later(SSL_CTX *ctx)
{
    SSL_CTX_set_verify(ctx, SSL_CTX_get_verify_mode(ctx) | SSL_VERIFY_POST_HANDSHAKE,
                       SSL_CTX_get_verify_callback(ctx));
}

/* The client's answer ends with its Finished, which libssl is about to check. A server
 * gets no other one after the handshake. Nothing else in 1.1.1w, 3.0, 3.5, 3.6 and 4.0 says where the
 * answer ends: the callback that verifies comes before the client has proved to have the key, and
 * SSL_read goes on to the data behind the answer in the same call. */
static void watch(int write_p, int version, int type, const void *p, size_t n, SSL *ssl, void *arg)
{
    sessl_conn *c = arg;

    (void)version, (void)ssl;
    if (!write_p && type == SSL3_RT_HANDSHAKE && n > 0 && *(const uint8_t *)p == SSL3_MT_FINISHED)
        c->auth = SESSL_AUTH_ANSWERED;
}

/* Asks. What was learnt before libssl has sent anything leaves the connection as it was;
 * SESSL_REQUEST_FAILED has ended it. With hold libssl issues no tickets by itself. */
int sessl_conn_ask_auth(sessl_conn *c, int hold, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    sessl_set_current_ctx(c->ctx_id);
    if (!SSL_verify_client_post_handshake(c->ssl)) {
        sessl_err_take(e);
        return SESSL_REQUEST_REFUSED;
    }
    if (hold || !sessl_conn_hold_keys(c, c->ssl))
        SSL_set_num_tickets(c->ssl, 0);
    SSL_set_msg_callback(c->ssl, watch);
    SSL_set_msg_callback_arg(c->ssl, c);
    c->auth = SESSL_AUTH_ASKED;
    ok = SSL_do_handshake(c->ssl) == 1 && !c->alloc_failed; /* writes the CertificateRequest */
    if (!ok)
        c->fatal = 1;
    sessl_err_take(e);
    return ok ? SESSL_REQUEST_SENT : SESSL_REQUEST_FAILED;
}

/* The client has answered, and Go has not verified it yet: libssl must see no more input. */
int sessl_conn_answered(const sessl_conn *c)
{
    return c->auth == SESSL_AUTH_ANSWERED && !SSL_in_init(c->ssl);
}

/* Go has verified the answer. */
void sessl_conn_auth_done(sessl_conn *c)
{
    c->auth = SESSL_AUTH_NONE;
    sessl_conn_drop_keys(c);
    SSL_set_msg_callback(c->ssl, NULL);
    SSL_set_msg_callback_arg(c->ssl, NULL);
}

/* What the copy that libssl has made of the session says about its peer is another's,
 * until Go has looked. For the tickets that libssl issues by itself. */
int sessl_conn_disown_answer(const sessl_conn *c, SSL_SESSION *s)
{
    return c->auth != SESSL_AUTH_ANSWERED
        || (sessl_session_set_note(s, SESSL_STAMP, NULL, 0)
            && sessl_session_set_note(s, SESSL_CHAIN, NULL, 0));
}
