#include "private.h"

#include <time.h>

int64_t sessl_session_get_time(const SSL_SESSION *s)
{
#if SESSL_HAVE_TIME_EX
    return SSL_SESSION_get_time_ex(s);
#else
    return SSL_SESSION_get_time(s);
#endif
}

/* Both forms return the time stored, so 0 is no failure. */
void sessl_session_set_time(SSL_SESSION *s, int64_t t)
{
#if SESSL_HAVE_TIME_EX
    SSL_SESSION_set_time_ex(s, (time_t)t);
#else
    SSL_SESSION_set_time(s, (long)t);
#endif
}

/* The second in which s expires. Times and timeouts from DER may be of any size. */
int64_t sessl_session_until(const SSL_SESSION *s)
{
    const int64_t most = INT64_MAX / 1000000000; /* what a Duration of Go holds */
    int64_t timeout = SSL_SESSION_get_timeout(s), until;

    timeout = timeout > most ? most : timeout < -most ? -most : timeout;
    if (__builtin_add_overflow(sessl_session_get_time(s), timeout, &until))
        return timeout < 0 ? INT64_MIN : INT64_MAX;
    return until;
}

static const SSL_CIPHER *find(SSL *ssl, uint16_t id)
{
    unsigned char wire[2];

    /* libssl finds the signalling values too: renegotiation (RFC 5746), fallback (RFC 7507). */
    if (id == 0x00FF || id == 0x5600)
        return NULL;
    wire[0] = (unsigned char)(id >> 8);
    wire[1] = (unsigned char)id;
    return SSL_CIPHER_find(ssl, wire);
}

/* A static object of libssl, whatever ctx allows. */
const SSL_CIPHER *sessl_cipher_by_id(SSL_CTX *ctx, uint16_t id, sessl_err *e)
{
    const SSL_CIPHER *c = NULL;
    SSL *ssl = ctx == NULL ? NULL : SSL_new(ctx);

    if (ssl != NULL)
        c = find(ssl, id);
    else
        e->no_memory = 1; /* the suite may well exist */
    SSL_free(ssl);
    return c;
}

int sessl_session_set_cipher(SSL_SESSION *s, uint16_t id, sessl_err *e)
{
    const SSL_CIPHER *c;
    SSL_CTX *ctx;
    int ok;

    sessl_err_begin(e);
    ctx = SSL_CTX_new(TLS_method());
    c = sessl_cipher_by_id(ctx, id, e);
    SSL_CTX_free(ctx);
    ok = c != NULL && SSL_SESSION_set_cipher(s, c);
    sessl_err_take(e);
    return ok;
}

int sessl_session_set1_id(SSL_SESSION *s, const uint8_t *p, unsigned n, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    ok = SSL_SESSION_set1_id(s, p, n); /* copies */
    sessl_err_take(e);
    return ok;
}

int sessl_session_set1_id_context(SSL_SESSION *s, const uint8_t *p, unsigned n, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    ok = SSL_SESSION_set1_id_context(s, p, n); /* copies */
    sessl_err_take(e);
    return ok;
}

int sessl_session_set1_hostname(SSL_SESSION *s, const char *name, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    ok = SSL_SESSION_set1_hostname(s, name); /* copies; NULL clears */
    sessl_err_take(e);
    return ok;
}

int sessl_session_set1_alpn(SSL_SESSION *s, const uint8_t *p, size_t n, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    ok = SSL_SESSION_set1_alpn_selected(s, n == 0 ? NULL : p, n); /* copies; NULL clears */
    sessl_err_take(e);
    return ok;
}

int sessl_session_set1_master_key(SSL_SESSION *s, const uint8_t *p, size_t n, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    ok = SSL_SESSION_set1_master_key(s, p, n); /* copies */
    sessl_err_take(e);
    return ok;
}

int sessl_session_set1_appdata(SSL_SESSION *s, const uint8_t *p, size_t n, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    ok = SSL_SESSION_set1_ticket_appdata(s, n == 0 ? NULL : p, n); /* copies; NULL clears */
    sessl_err_take(e);
    return ok;
}

/* Borrowed from the session. */
const uint8_t *sessl_session_get0_appdata(SSL_SESSION *s, size_t *n)
{
    void *p = NULL;

    *n = 0;
    if (!SSL_SESSION_get0_ticket_appdata(s, &p, n))
        return NULL;
    return p;
}

/* The length, and the bytes in *out for sessl_clear_free; 0 without a certificate, and
 * negative when it cannot be encoded. */
int sessl_session_peer_der(SSL_SESSION *s, uint8_t **out, sessl_err *e)
{
    X509 *leaf = SSL_SESSION_get0_peer(s); /* borrowed from the session */
    int n;

    sessl_err_begin(e);
    *out = NULL;
    if (leaf == NULL)
        return 0;
    n = i2d_X509(leaf, out);
    sessl_err_take(e);
    return n <= 0 ? -1 : n;
}

/* The peer's raw public key as SubjectPublicKeyInfo, likewise; -2 where the library has
 * no such keys. */
int sessl_session_rpk_der(SSL_SESSION *s, uint8_t **out, sessl_err *e)
{
    sessl_err_begin(e);
    *out = NULL;
#if SESSL_HAVE_RPK
    {
        EVP_PKEY *key = SSL_SESSION_get0_peer_rpk(s); /* borrowed from the session */
        int n = key == NULL ? 0 : sessl_key_der(key, out);

        sessl_err_take(e);
        return key != NULL && n <= 0 ? -1 : n;
    }
#else
    (void)s;
    return -2;
#endif
}

/* 1 when the session's leaf has not expired and is for h (NULL: any host). The caller clears the queue. */
int sessl_session_peer_fits(SSL_SESSION *s, const sessl_host *h)
{
    X509 *leaf = SSL_SESSION_get0_peer(s); /* borrowed from the session */
    int ok = leaf != NULL && ASN1_TIME_cmp_time_t(X509_get0_notAfter(leaf), (time_t)sessl_now()) == 1;

    return ok && (h == NULL || sessl_cert_is_for(leaf, h));
}

int sessl_session_peer_ok(SSL_SESSION *s, const sessl_host *h)
{
    int ok = sessl_session_peer_fits(s, h);

    sessl_err_clear();
    return ok;
}
