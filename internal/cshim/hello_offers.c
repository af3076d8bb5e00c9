#include "private.h"

/* What a ClientHello offers to resume, and where that is: with libssl, in a ticket, or in Go's cache. */

#define ID_MAX SSL_MAX_SSL_SESSION_ID_LENGTH

/* Whether the client could do TLS 1.3, which makes its session id mean nothing. */
static int can_tls13(SSL *ssl)
{
    const unsigned char *p;
    size_t n, i;

    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &p, &n)) /* borrowed */
        return 0;
    for (i = 1; i + 1 < n; i += 2)
        if (p[i] == 3 && p[i + 1] == 4)
            return 1;
    return 0;
}

/* SESSL_OFFERS_*. */
int sessl_hello_offers(SSL *ssl, int only_tls12)
{
    const unsigned char *p;
    size_t n;
    int bits = 0;

    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_psk, &p, &n)) /* borrowed */
        bits |= SESSL_OFFERS_PSK;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_early_data, &p, &n))
        bits |= SESSL_OFFERS_EARLY;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_session_ticket, &p, &n) && n > 0)
        bits |= SESSL_OFFERS_TICKET;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_compress_certificate, &p, &n))
        bits |= SESSL_OFFERS_UNPACKING;
    if (SSL_client_hello_get0_session_id(ssl, &p) == 0)
        return bits;
    if (only_tls12 || !can_tls13(ssl))
        bits |= SESSL_OFFERS_MAYBE;
    return bits;
}

/* The list of identities in the hello that libssl is looking at. */
static sessl_reader identities(SSL *ssl)
{
    const unsigned char *p;
    sessl_reader r = {0};
    size_t n;

    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_psk, &p, &n)) /* borrowed */
        return r;
    r.p = p;
    r.end = p + n;
    p = sessl_take_counted(&r, 2, &n);
    r.p = p;
    r.end = p == NULL ? NULL : p + n;
    return r;
}

/* NULL behind the last one. */
static const uint8_t *next_identity(sessl_reader *r, size_t *n)
{
    const uint8_t *p;

    if (r->p == r->end)
        return NULL;
    p = sessl_take_counted(r, 2, n);
    sessl_take_number(r, 4); /* the age */
    return r->bad ? NULL : p;
}

/* Whether a hello of TLS 1.3 has what could be an id: a ticket with a session in it is longer. */
static int names_id(SSL *ssl)
{
    sessl_reader r = identities(ssl);
    const uint8_t *p;
    size_t n;

    while ((p = next_identity(&r, &n)) != NULL)
        if (n <= ID_MAX)
            return 1;
    return 0;
}

/* Whether the connection will be one of TLS 1.3. */
static int is13(const sessl_conn *c, SSL *ssl)
{
    return !c->only_tls12 && can_tls13(ssl);
}

/* Whether the hello has the id of a session that Go's cache may know. Where there are tickets, too, a
 * ticket with a session in it says that there is none. */
int sessl_hello_may_be_cached(const sessl_conn *c, SSL *ssl)
{
    if (!c->lookup)
        return 0;
    if (c->forms == SESSL_FORM_ONE)
        return (c->offers & (SESSL_OFFERS_ID | SESSL_OFFERS_MAYBE | SESSL_OFFERS_PSK)) != 0;
    if (is13(c, ssl))
        return names_id(ssl);
    return (c->offers & SESSL_OFFERS_TICKET) == 0 && (c->offers & SESSL_OFFERS_MAYBE) != 0;
}

/* Whether the hello has tickets, or what could be some, and Go may get their keys: none is here. */
int sessl_hello_has_unknown_key(const sessl_conn *c, SSL *ssl)
{
    SSL_CTX *ctx = SSL_get_SSL_CTX(ssl); /* borrowed */
    const unsigned char *p;
    sessl_reader r;
    size_t n;
    int some = 0;

    if (!c->ask_key)
        return 0;
    if (!is13(c, ssl))
        return SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_session_ticket, &p, &n) /* borrowed */
            && n > ID_MAX && !sessl_ticket_key_is_here(ctx, p, n);
    r = identities(ssl);
    while ((p = next_identity(&r, &n)) != NULL) {
        if (sessl_ticket_key_is_here(ctx, p, n))
            return 0;
        some |= n > ID_MAX;
    }
    return some;
}

/* Of the sessions that are offered in TLS 1.3, the first that is known here decides. Where none is, the
 * first decides by its length, so that an id which was forgotten is not taken for a ticket. */
static int stays13(const sessl_conn *c, SSL *ssl)
{
    sessl_reader r = identities(ssl);
    const uint8_t *p;
    size_t n;
    int first = -1;

    while ((p = next_identity(&r, &n)) != NULL) {
        int is_id = n <= ID_MAX;

        if (first < 0)
            first = is_id;
        if (is_id ? sessl_conn_find(c, ssl, p, n) != NULL
                  : sessl_ticket_key_is_here(SSL_get_SSL_CTX(ssl), p, n))
            return is_id;
    }
    return first > 0;
}

/* Before TLS 1.3 this settles what is issued, too. A ticket comes before an id, which is then made up
 * (RFC 5077, section 3.4). A session that was found by its id stays, and its client gets no ticket. A
 * client that names an id which is not here, and takes tickets, may be one that knows nothing else, such
 * as crypto/tls, and makes the id up: it gets a ticket. Who takes none, and who comes while there is no
 * key for one, gets an id in any case. */
static int stays12(const sessl_conn *c, SSL *ssl)
{
    const unsigned char *id, *p; /* borrowed */
    size_t n, id_len = SSL_client_hello_get0_session_id(ssl, &id);
    int takes = SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_session_ticket, &p, &n);

    if (takes && n > 0)
        return !sessl_conn_seals(c) && !sessl_ticket_key_is_here(SSL_get_SSL_CTX(ssl), p, n);
    if (sessl_conn_find(c, ssl, id, id_len) != NULL)
        return 1;
    return !sessl_conn_seals(c) || (c->forms == SESSL_FORM_IDS && (!takes || id_len == 0));
}

/* In each ClientHello, before libssl looks at what it offers. */
void sessl_conn_settle_form(sessl_conn *c, SSL *ssl)
{
    if (c->forms == SESSL_FORM_ONE)
        return;
    c->stays = is13(c, ssl) ? stays13(c, ssl) : stays12(c, ssl);
    sessl_form_set_staying(ssl, c->stays);
}
