#include "private.h"

/* A server whose sessions Go keeps. Go looks them up while the handshake is suspended in its
 * ClientHello, and leaves what it has found with the connection; libssl then asks for it. */

/* Borrowed from c: the session of that id that Go has found and that may be resumed; or NULL. */
SSL_SESSION *sessl_conn_find(const sessl_conn *c, SSL *ssl, const uint8_t *id, size_t n)
{
    int i;

    for (i = 0; n > 0 && i < c->found_n; i++) {
        SSL_SESSION *s = c->found[i];
        unsigned have;
        const unsigned char *p = SSL_SESSION_get_id(s, &have); /* borrowed */

        /* 1.1.1 resumes also what has been marked meanwhile. */
        if (have == n && memcmp(p, id, have) == 0 && SSL_SESSION_is_resumable(s)
            && sessl_session_names_host(ssl, s) && sessl_session_admit(SSL_get_SSL_CTX(ssl), s))
            return s;
    }
    return NULL;
}

/* SSL_CTX_sess_set_get_cb. It may be asked twice, after a HelloRetryRequest. */
static SSL_SESSION *get_session_cb(SSL *ssl, const unsigned char *id, int n, int *copy)
{
    const sessl_conn *c = SSL_get_ex_data(ssl, sessl_ssl_slot);
    SSL_SESSION *s = c == NULL || n <= 0 ? NULL : sessl_conn_find(c, ssl, id, (size_t)n);

    *copy = 0; /* the reference that is returned becomes libssl's */
    return s != NULL && SSL_SESSION_up_ref(s) ? s : NULL; /* +1, libssl's */
}

/* No session is kept or looked for in C. Without tickets none is put into one either; with them, forms.c
 * says which are. */
void sessl_ctx_ask_for_sessions(SSL_CTX *ctx, int tickets)
{
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_get_cb(ctx, get_session_cb);
    if (!tickets)
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
}

/* s, of which the connection takes a reference of its own, is there for libssl. */
void sessl_conn_found(sessl_conn *c, SSL_SESSION *s)
{
    if ((c->offers & SESSL_OFFERS_MAYBE) != 0)
        c->offers |= SESSL_OFFERS_ID;                          /* it was not made up */
    if (c->found_n < SESSL_FOUND_MAX && SSL_SESSION_up_ref(s)) /* +1 */
        c->found[c->found_n++] = s;
}

void sessl_conn_drop_found(sessl_conn *c)
{
    while (c->found_n > 0)
        sessl_drop_session(c->found[--c->found_n]);
}

#define OVERHEAD 1024 /* what each takes: SSL_SESSION, its lock, its ex_data, its place in a table */
#define CERT_COST 6   /* what a certificate takes, noted and decoded, for each of its bytes: measured */

/* What s takes, by an estimate: what each does, the length of the encoding, without making it, and the
 * certificates, whose number and size the peer decides. */
static int64_t size_of(const SSL_SESSION *s)
{
    int n = i2d_SSL_SESSION((SSL_SESSION *)s, NULL);
    const uint8_t *noted;

    sessl_err_clear();
    return OVERHEAD + (n < 0 ? 0 : n)
        + CERT_COST * (int64_t)sessl_session_note(s, SESSL_CHAIN, &noted); /* borrowed */
}

/* Reads what a cache needs to know of s, and freezes s unless it takes more than room. The caller keeps
 * setters away. After SESSL_ENTRY_UNFIT the id may be empty. */
int sessl_session_entry(SSL_SESSION *s, int64_t now, int64_t room, sessl_entry *out)
{
    const unsigned char *id = SSL_SESSION_get_id(s, &out->id_len); /* borrowed */

    if (out->id_len > SESSL_ID_MAX || !SSL_SESSION_is_resumable(s))
        out->id_len = 0;
    if (out->id_len == 0)
        return SESSL_ENTRY_UNFIT;
    memcpy(out->id, id, out->id_len);
    out->until = sessl_session_until(s);
    if (out->until <= now)
        return SESSL_ENTRY_UNFIT;
    out->bytes = size_of(s);
    if (out->bytes > room)
        return SESSL_ENTRY_LARGE;
    sessl_session_share(s);
    return SESSL_ENTRY_OK;
}
