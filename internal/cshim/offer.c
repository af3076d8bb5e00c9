#include "private.h"

/* Whether a session may be offered by a client. libssl puts what it is given into the
 * ClientHello, and ends the connection when the server then does as the session says: with
 * a suite that is not in the hello (RFC 5246, 7.4.1.2), or an extension that is not. */

#define TLS12_KEY 48

/* An extension has up to 64 KB, all of them together as well. */
#define MAX_TICKET (48 * 1024)

/* The suite is in the hello; of TLS 1.3, one of the same hash (RFC 8446, 4.2.11). Without memory
 * it is not. */
static int offers_suite(SSL *ssl, const SSL_CIPHER *want)
{
    STACK_OF(SSL_CIPHER) *all = SSL_get1_supported_ciphers(ssl); /* ours */
    int i, found = 0;

    for (i = 0; !found && i < sk_SSL_CIPHER_num(all); i++) {
        const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);

        found = SSL_CIPHER_get_id(c) == SSL_CIPHER_get_id(want)
            || (sessl_cipher_is13(c) && sessl_cipher_is13(want)
                && SSL_CIPHER_get_handshake_digest(c) == SSL_CIPHER_get_handshake_digest(want));
    }
    sk_SSL_CIPHER_free(all);
    return found;
}

#ifdef SSL_OP_NO_EXTENDED_MASTER_SECRET
/* Whether a session has an extended master secret. 3.0, 3.5, 3.6 and 4.0 have no function that tells
 * (SSL_get_extms_support asks a connection), but print it. The text has the key, too: a BIO in memory
 * wipes it. */
static int has_ems(const SSL_SESSION *s)
{
    static const char no[] = "Extended master secret: no";
    BIO *text = BIO_new(BIO_s_mem()); /* ours */
    char *p = NULL;
    long n = 0, i;
    int found = 0;

    if (text != NULL && SSL_SESSION_print(text, s))
        n = BIO_get_mem_data(text, &p); /* borrowed from text */
    for (i = 0; !found && i + (long)sizeof(no) - 1 <= n; i++)
        found = memcmp(p + i, no, sizeof(no) - 1) == 0;
    BIO_free(text);
    return !found; /* without memory, too */
}
#endif

/* A server must end a connection whose client knows of no extended master secret any more
 * (RFC 7627, 5.3). */
static int lacks_ems(SSL *ssl, const SSL_SESSION *s)
{
#ifdef SSL_OP_NO_EXTENDED_MASTER_SECRET
    return (SSL_get_options(ssl) & SSL_OP_NO_EXTENDED_MASTER_SECRET) != 0
        && SSL_SESSION_get_protocol_version(s) < TLS1_3_VERSION && has_ems(s);
#else
    (void)ssl, (void)s;
    return 0;
#endif
}

/* Whether anything could resume s. */
static int is_whole(SSL_SESSION *s)
{
    unsigned n;
    size_t key = SSL_SESSION_get_master_key(s, NULL, 0);

    SSL_SESSION_get_id(s, &n);
    /* Into an object without an id libssl writes the next full handshake, and leaks the chain
     * that it has; the client gives each ticket an id, so this is no loss. */
    return n > 0 && SSL_SESSION_is_resumable(s) && SSL_SESSION_get0_cipher(s) != NULL
        && (SSL_SESSION_get_protocol_version(s) == TLS1_3_VERSION ? key > 0 : key == TLS12_KEY);
}

/* In TLS 1.3 libssl leaves out a session that is older than its server wants (RFC 8446, 4.6.1). */
static int is_old(const SSL_SESSION *s)
{
    sessl_life l;

    sessl_session_get_life(s, &l);
    return l.version == TLS1_3_VERSION && l.began < sessl_now() - l.hint;
}

static int fits(sessl_conn *c, SSL_SESSION *s)
{
    const unsigned char *ticket;
    size_t ticket_len = 0;
    unsigned context;
    int ok, version = SSL_SESSION_get_protocol_version(s);

    if (!is_whole(s))
        return SESSL_FIT_NEVER;
    if (is_old(s))
        return SESSL_FIT_OLD;
    SSL_SESSION_get0_ticket(s, &ticket, &ticket_len);
    SSL_SESSION_get0_id_context(s, &context);
    ok = sessl_has_version(c->ssl, version, version)
        && context == 0 /* libssl compares it on clients, too, where it means nothing */
        && SSL_SESSION_get_max_fragment_length(s) == TLSEXT_max_fragment_length_DISABLED
        && SSL_SESSION_get_compress_id(s) == 0 && ticket_len <= MAX_TICKET
        && offers_suite(c->ssl, SSL_SESSION_get0_cipher(s)) && !lacks_ems(c->ssl, s);
    return ok ? SESSL_FIT_OK : SESSL_FIT_NOT;
}

/* The caller keeps setters away from s. */
void sessl_conn_weigh(sessl_conn *c, SSL_SESSION *s, sessl_weighed *w)
{
    w->fits = fits(c, s);
    w->version = SSL_SESSION_get_protocol_version(s);
    w->max_early = SSL_SESSION_get_max_early_data(s);
    w->now = sessl_now();
    w->peer_ok = sessl_session_peer_fits(s, NULL);
    w->raw = sessl_session_rate_raw(c->ssl, s);
    w->anonymous = sessl_cipher_anonymous(SSL_SESSION_get0_cipher(s));
    w->stamp_len = sessl_session_note(s, SESSL_STAMP, &w->stamp);
    w->chain_len = sessl_session_note(s, SESSL_CHAIN, &w->chain);
    sessl_err_clear();
}
