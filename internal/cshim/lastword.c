#include "private.h"

/* A server that refuses its client when the handshake is complete, as its application may, has
 * nothing of libssl's to tell the client so: 1.1.1w, 3.0, 3.5, 3.6 and 4.0 have no function that sends
 * an alert. But a function that adds an extension to the tickets of TLS 1.3 can fail, and choose the
 * alert: so one ticket is begun, and goes no further. 1.1.1 has no function that begins one. */

/* For private use (RFC 8446, section 11); it is never sent. */
#define EXTENSION 0xff5e

#if SESSL_HAVE_3_0
static int add(SSL *ssl, unsigned type, unsigned context, const unsigned char **out, size_t *n, X509 *x,
               size_t i, int *al, void *arg)
{
    const sessl_conn *c = SSL_get_ex_data(ssl, sessl_ssl_slot);

    (void)type, (void)context, (void)out, (void)n, (void)x, (void)i, (void)arg;
    if (c == NULL || !c->last_word)
        return 0; /* nothing to add */
    *al = c->alert;
    return -1;
}
#endif

/* For a server; 0 without memory. That clients may send the extension, which is not looked at, keeps
 * libssl from taking it for misplaced. */
int sessl_ctx_have_last_word(SSL_CTX *ctx)
{
#if SESSL_HAVE_3_0
    return SSL_CTX_add_custom_ext(ctx, EXTENSION, SSL_EXT_CLIENT_HELLO | SSL_EXT_TLS1_3_NEW_SESSION_TICKET,
                                  add, NULL, NULL, NULL, NULL);
#else
    (void)ctx;
    return 1;
#endif
}

/* The connection has failed, and the alert for its client waits for output; before TLS 1.3 there
 * is none. */
void sessl_conn_last_word(sessl_conn *c, int alert)
{
#if SESSL_HAVE_3_0
    sessl_err_clear();
    sessl_set_current_ctx(c->ctx_id);
    c->alert = alert;
    c->last_word = 1;
    if (!c->fatal && SSL_version(c->ssl) == TLS1_3_VERSION && SSL_new_session_ticket(c->ssl))
        SSL_do_handshake(c->ssl);
    sessl_err_clear();
#endif
    c->alert = alert;
    c->fatal = 1;
}
