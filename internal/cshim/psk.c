#include "private.h"

/* External keys in TLS 1.3 (RFC 8446, section 4.2.11). libssl wants a session for each, and
 * asks for it in the middle of a handshake; the answers are plain data: the table of the
 * SSL_CTX, and what Go has found while the handshake was suspended in its ClientHello. */

static atomic_uint_fast64_t marks;

static uint8_t *put_head(uint8_t *p, uint8_t tag, size_t n)
{
    *p++ = tag;
    if (n >= 0x80) {
        *p++ = 0x82;
        *p++ = (uint8_t)(n >> 8);
    }
    *p++ = (uint8_t)n;
    return p;
}

/* The encoding of a TLS 1.3 session with a PSK identity, which is k's in hexadecimal: an
 * identity may have any bytes, and libssl keeps a string. No secret is in it. */
static size_t encode(const sessl_psk *k, uint8_t *out)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t start[] = {2, 1, 1, 2, 2, 3, 4, 4, 2, (uint8_t)(k->suite >> 8), (uint8_t)k->suite,
                             4, 0, 4, 0};
    const uint8_t *id = k->bytes + k->key_len;
    size_t i, n = 2 * k->id_len;
    size_t inner = n < 0x80 ? n + 2 : n + 4, outer = inner < 0x80 ? inner + 2 : inner + 4;
    uint8_t *p = put_head(out, 0x30, sizeof(start) + outer);

    memcpy(p, start, sizeof(start)); /* format 1, 3.4, suite, no id, no key */
    p = put_head(put_head(p + sizeof(start), 0xa8, inner), 4, n);
    for (i = 0; i < k->id_len; i++) {
        *p++ = (uint8_t)hex[id[i] >> 4];
        *p++ = (uint8_t)hex[id[i] & 15];
    }
    return (size_t)(p - out);
}

/* Returns +1: a session that stands for k. d2i_SSL_SESSION is the one public way to give it
 * its identity, which so goes on to the tickets that are made of it: 1.1.1w, 3.0, 3.5, 3.6 and 4.0
 * have SSL_get_psk_identity and no function that sets it. All of them read this encoding. The key is
 * put in afterwards, for the decoder wipes nothing. */
static SSL_SESSION *session_for(SSL *ssl, const sessl_psk *k)
{
    uint8_t der[2 * SESSL_PSK_MAX_IDENTITY + 64];
    const uint8_t *p = der;
    SSL_SESSION *s = d2i_SSL_SESSION(NULL, &p, (long)encode(k, der)); /* returns +1 */

    if (s != NULL && SSL_SESSION_set1_master_key(s, k->bytes, k->key_len)) { /* copies */
        SSL_SESSION_set_timeout(s, SSL_CTX_get_timeout(SSL_get_SSL_CTX(ssl)));
        return s;
    }
    sessl_drop_session(s);
    return NULL;
}

/* Returns +1: session_for, marked as made in this handshake; NULL without memory. The copies
 * that libssl makes of it have the mark, too. */
static SSL_SESSION *made_for(sessl_conn *c, SSL *ssl, const sessl_psk *k)
{
    SSL_SESSION *s = session_for(ssl, k); /* returns +1 */

    c->psk.made = atomic_fetch_add(&marks, 1) + 1;
    if (s != NULL
        && sessl_session_set_note(s, SESSL_MADE, (const uint8_t *)&c->psk.made, sizeof(c->psk.made)))
        return s;
    sessl_drop_session(s);
    c->alloc_failed = 1;
    return NULL;
}

/* Whether s stands for a key that was given to libssl in this handshake. A session that began
 * with a key has the mark of another. */
int sessl_conn_made(const sessl_conn *c, const SSL_SESSION *s)
{
    const uint8_t *mark;

    return sessl_session_note(s, SESSL_MADE, &mark) == sizeof(c->psk.made) /* borrowed */
        && memcmp(mark, &c->psk.made, sizeof(c->psk.made)) == 0;
}

/* SSL_psk_find_session_cb_func: asked for each identity, tickets included, until one fits. */
static int find_session_cb(SSL *ssl, const unsigned char *id, size_t n, SSL_SESSION **out)
{
    sessl_conn *c = SSL_get_ex_data(ssl, sessl_ssl_slot);
    const sessl_psk *k = sessl_psk_find(sessl_psks_of(ssl), id, n);

    *out = NULL;
    if (c == NULL)
        return 1;
    if (k == NULL && c->psk.found != NULL && sessl_psk_is(c->psk.found, id, n))
        k = c->psk.found;
    c->psk.skipped |= k == NULL;
    if (k == NULL)
        return 1;
    c->appdata.born = sessl_now();
    *out = made_for(c, ssl, k); /* +1, transferred to libssl */
    return *out != NULL;
}

static int fits_digest(const sessl_psk *k, const EVP_MD *md)
{
    return md == NULL || EVP_MD_type(md) == (k->suite == 0x1302 ? NID_sha384 : NID_sha256);
}

/* SSL_psk_use_session_cb_func of every client: asked for each ClientHello; after a HelloRetryRequest md is
 * the hash that has been settled. Between the key share and the binder, which take longest in a hello, libssl
 * calls nothing else. */
int sessl_use_session_cb(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *n, SSL_SESSION **out)
{
    sessl_conn *c = SSL_get_ex_data(ssl, sessl_ssl_slot);
    const sessl_psk_table *t = sessl_psks_of(ssl);

    *out = NULL;
    if (c != NULL)
        sessl_conn_breathe(c);
    if (c == NULL || t == NULL || t->n == 0 || !fits_digest(t->keys[0], md))
        return 1;
    *out = made_for(c, ssl, t->keys[0]); /* +1, transferred to libssl */
    if (*out == NULL)
        return 0;
    *id = t->keys[0]->bytes + t->keys[0]->key_len; /* borrowed; libssl copies it at once */
    *n = t->keys[0]->id_len;
    return 1;
}

/* k, of which the connection takes a reference of its own, is there for libssl. */
void sessl_conn_found_psk(sessl_conn *c, sessl_psk *k)
{
    sessl_psk_up_ref(k); /* +1 */
    sessl_psk_free(c->psk.found);
    c->psk.found = k;
}

void sessl_conn_drop_psk(sessl_conn *c)
{
    sessl_psk_free(c->psk.found);
    c->psk.found = NULL;
}

/* The handshake is over. To libssl an external key is a session that was reused. */
void sessl_conn_psk_done(sessl_conn *c)
{
    if (SSL_session_reused(c->ssl) && SSL_version(c->ssl) == TLS1_3_VERSION)
        c->psk.external = sessl_conn_made(c, SSL_get0_session(c->ssl)); /* borrowed */
    sessl_conn_drop_psk(c);
}

/* ctx takes references of its own on the n keys, which are sorted by identity and may be
 * none. v12: those that fit are used in TLS 1.2 too. */
int sessl_ctx_set_psks(SSL_CTX *ctx, int server, sessl_psk *const *keys, size_t n, int v12, const char *hint,
                       sessl_err *e)
{
    sessl_psk_table *t;
    int ok;

    sessl_err_begin(e);
    t = sessl_psk_table_new(keys, n);
    ok = t != NULL && SSL_CTX_set_ex_data(ctx, sessl_psk_slot, t); /* freed with ctx */
    if (!ok) {
        sessl_psk_table_free(t);
        e->no_memory = 1;
    } else if (server) {
        t->v12 = v12;
        SSL_CTX_set_psk_find_session_callback(ctx, find_session_cb);
        if (v12)
            SSL_CTX_set_psk_server_callback(ctx, sessl_psk_server_cb);
        ok = hint == NULL || SSL_CTX_use_psk_identity_hint(ctx, hint); /* copies */
    } else {
        t->v12 = v12;
        if (v12)
            SSL_CTX_set_psk_client_callback(ctx, sessl_psk_client_cb);
    }
    sessl_err_take(e);
    return ok;
}

/* Whether suites of TLS 1.2 that need a key have one. */
int sessl_ctx_psk_suites(SSL_CTX *ctx)
{
    const sessl_psk_table *t = SSL_CTX_get_ex_data(ctx, sessl_psk_slot);

    return t != NULL && t->v12;
}
