#include "private.h"

/* SSL_set_msg_callback: called with each message, before libssl looks at it. */
static void note_hello(int write_p, int version, int type, const void *p, size_t n, SSL *ssl, void *arg)
{
    sessl_conn *c = arg;

    (void)version;
    (void)ssl;
    if (write_p || type != SSL3_RT_HANDSHAKE || n < SSL3_HM_HEADER_LENGTH)
        return;
    c->message = p; /* borrowed, until libssl is done with it */
    c->message_len = n;
}

/* For each SSL of a server, until it has a ClientHello. Its message is the only place that has the
 * extensions which libssl does not know: SSL_client_hello_get1_extensions_present leaves them out, in
 * 1.1.1w, 3.0, 3.5, 3.6 and 4.0. */
void sessl_conn_watch_hello(sessl_conn *c)
{
    if (!c->server)
        return;
    SSL_set_msg_callback(c->ssl, note_hello);
    SSL_set_msg_callback_arg(c->ssl, c);
}
