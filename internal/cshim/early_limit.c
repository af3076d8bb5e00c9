#include "private.h"

#define EXT_EARLY_DATA 42

/* Whether a NewSessionTicket, header and all, has the extension that allows early data; what is
 * malformed is libssl's to refuse. */
static int ticket_allows_early(const uint8_t *p, size_t n)
{
    sessl_reader r = {p, p + n, 0};
    size_t len;

    sessl_take(&r, 4 + 4 + 4);       /* header, lifetime, and what is added to the age */
    sessl_take_counted(&r, 1, &len); /* nonce */
    sessl_take_counted(&r, 2, &len); /* ticket */
    sessl_take_number(&r, 2);
    while (!r.bad && r.p < r.end) {
        if (sessl_take_number(&r, 2) == EXT_EARLY_DATA)
            return !r.bad;
        sessl_take_counted(&r, 2, &len);
    }
    return 0;
}

/* SSL_set_msg_callback. Nothing else in 1.1.1w, 3.0, 3.5, 3.6 and 4.0 shows a client what a ticket
 * says: SSL_CTX_set_session_ticket_cb is for servers, and the session that SSL_CTX_sess_set_new_cb
 * gets has a limit already, of this ticket or of the one before. */
static void watch_tickets(int write_p, int version, int type, const void *p, size_t n, SSL *ssl, void *arg)
{
    sessl_conn *c = arg;

    (void)version, (void)ssl;
    if (!write_p && type == SSL3_RT_HANDSHAKE && n > 0 && *(const uint8_t *)p == SSL3_MT_NEWSESSION_TICKET)
        c->bare_ticket = !ticket_allows_early(p, n);
}

/* libssl makes a client's session of a TLS 1.3 ticket by copying the connection's, and leaves the
 * limit of that in the copy where the ticket brings none: RFC 8446, 4.2.10 allows none then. s has
 * become the connection's session: of a ticket, which Go has not seen yet, or of the handshake. */
void sessl_conn_limit_early(sessl_conn *c, SSL_SESSION *s)
{
    if (c->server || s == NULL)
        return;
    if (c->bare_ticket)
        SSL_SESSION_set_max_early_data(s, 0);
    c->bare_ticket = 0;
    if (SSL_SESSION_get_max_early_data(s) == 0)
        return;
    SSL_set_msg_callback(c->ssl, watch_tickets);
    SSL_set_msg_callback_arg(c->ssl, c);
}
