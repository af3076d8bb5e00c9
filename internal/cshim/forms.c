#include "private.h"

/* A server with both forms of session: the one that travels in a ticket, and the one that stays in Go's
 * cache while the client has its id. libssl knows one at a time. With SSL_OP_NO_TICKET it opens no ticket,
 * and asks for the session of each id, also where a ticket of TLS 1.3 is an id; without, it does not ask
 * for those. So the option is that of the one SSL, and settled twice: in the ClientHello for what is
 * offered, and, in TLS 1.3, before each ticket for what is issued. In 1.1.1w, 3.0, 3.5, 3.6 and 4.0 libssl
 * looks at it right after the callback for the ticket's content. */

/* What libssl opens from here on, and, in TLS 1.3, issues; before, also what it issues. */
void sessl_form_set_staying(SSL *ssl, int yes)
{
    if (yes)
        SSL_set_options(ssl, SSL_OP_NO_TICKET);
    else
        SSL_clear_options(ssl, SSL_OP_NO_TICKET);
}

/* Before a ticket of TLS 1.3 is made of s, which no other has. For want of a key it stays. */
void sessl_conn_settle_issued(const sessl_conn *c, SSL *ssl, SSL_SESSION *s)
{
    int stays = c->forms == SESSL_FORM_IDS || !sessl_conn_seals(c);

    if (c->forms == SESSL_FORM_ONE)
        return;
    sessl_form_set_staying(ssl, stays);
    sessl_session_set_travels(s, !stays);
}
