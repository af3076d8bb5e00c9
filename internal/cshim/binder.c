#include "private.h"

#if SESSL_HAVE_3_0
#include <openssl/core_names.h>
#else
#include <openssl/hmac.h>
#endif

/* A ClientHello proves by its first binder that who has sent it has the session whose ticket is
 * in it (RFC 8446, section 4.2.11.2). libssl looks at the binder when nothing can be asked of Go
 * any more, so what Go does for the owner of a session alone has it looked at here before. */

#define HEAD 4 /* of a handshake message */

/* The hash of a session's suite, as its Ctx would have it. */
typedef struct hash {
    EVP_MD *md;
    void *mac; /* an EVP_MAC, from 3.0 on */
    const char *name, *query;
    size_t n;
} hash;

static int begin(hash *h, const SSL_SESSION *s, int want_fips, const char *query)
{
    const SSL_CIPHER *suite = SSL_SESSION_get0_cipher(s); /* borrowed */
    const EVP_MD *md = suite == NULL ? NULL : SSL_CIPHER_get_handshake_digest(suite);

    h->n = md == NULL ? 0 : (size_t)EVP_MD_size(md);
    if (h->n != 32 && h->n != 48)
        return 0;
    h->name = h->n == 32 ? "SHA256" : "SHA384";
    h->query = query;
    h->md = sessl_md(h->name, want_fips, query); /* +1 */
    h->mac = sessl_hmac(want_fips, query);
    return h->md != NULL;
}

static void end(hash *h)
{
    sessl_md_free(h->md);
    sessl_hmac_free(h->mac);
}

static int hmac(const hash *h, const uint8_t *key, const uint8_t *p, size_t n, uint8_t *out)
{
#if SESSL_HAVE_3_0
    EVP_MAC_CTX *mac = h->mac == NULL ? NULL : EVP_MAC_CTX_new(h->mac);
    OSSL_PARAM params[3], *q = params;
    size_t len = 0;
    int ok;

    *q++ = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)h->name, 0);
    if (h->query != NULL)
        *q++ = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_PROPERTIES, (char *)h->query, 0);
    *q = OSSL_PARAM_construct_end();
    ok = mac != NULL && EVP_MAC_init(mac, key, h->n, params) && EVP_MAC_update(mac, p, n)
        && EVP_MAC_final(mac, out, &len, h->n) && len == h->n;
    EVP_MAC_CTX_free(mac);
    return ok;
#else
    unsigned len = 0;

    return HMAC(h->md, key, (int)h->n, p, n, out, &len) != NULL && len == h->n;
#endif
}

static int digest(const hash *h, const void *p, size_t n, uint8_t *out)
{
    unsigned len = 0;

    return EVP_Digest(p, n, out, &len, h->md, NULL) && len == h->n;
}

/* HKDF-Expand-Label for as many bytes as the hash has (section 7.1). */
static int expand(const hash *h, const uint8_t *secret, const char *label, const uint8_t *context,
                  size_t context_len, uint8_t *out)
{
    uint8_t info[128];
    size_t n = strlen(label), at = 0;

    info[at++] = 0;
    info[at++] = (uint8_t)h->n;
    info[at++] = (uint8_t)n;
    memcpy(info + at, label, n);
    at += n;
    info[at++] = (uint8_t)context_len;
    if (context_len > 0)
        memcpy(info + at, context, context_len);
    at += context_len;
    info[at++] = 1;
    return hmac(h, secret, info, at, out);
}

static int compute(const hash *h, const SSL_SESSION *s, const uint8_t *hello, size_t n, uint8_t *out)
{
    uint8_t psk[SSL_MAX_MASTER_KEY_LENGTH], secret[EVP_MAX_MD_SIZE];
    uint8_t empty[EVP_MAX_MD_SIZE], sum[EVP_MAX_MD_SIZE];
    static const uint8_t zeros[EVP_MAX_MD_SIZE];
    size_t len = SSL_SESSION_get_master_key(s, psk, sizeof(psk));
    int ok = len > 0 && hmac(h, zeros, psk, len, secret) /* the early secret */
        && digest(h, "", 0, empty) && expand(h, secret, "tls13 res binder", empty, h->n, secret)
        && expand(h, secret, "tls13 finished", NULL, 0, secret) && digest(h, hello, n, sum)
        && hmac(h, secret, sum, h->n, out);

    OPENSSL_cleanse(psk, sizeof(psk));
    OPENSSL_cleanse(secret, sizeof(secret));
    return ok;
}

/* What stands next behind its length. */
static sessl_reader part(sessl_reader *from, int width)
{
    size_t n;
    const uint8_t *p = sessl_take_counted(from, width, &n);
    sessl_reader r = {p, p == NULL ? p : p + n, p == NULL};

    return r;
}

/* Finds the first identity and the first binder in a hello, and returns how much of it comes
 * before the binders; 0 if it has none. */
static size_t find(const uint8_t *p, size_t len, const uint8_t **id, size_t *id_len, const uint8_t **binder,
                   size_t *binder_len)
{
    sessl_reader all = {p, p + len, 0}, ext, psk = {0}, list;
    size_t n, type = 0;

    sessl_take(&all, HEAD + 2 + SSL3_RANDOM_SIZE);
    sessl_take_counted(&all, 1, &n); /* session id */
    sessl_take_counted(&all, 2, &n); /* suites */
    sessl_take_counted(&all, 1, &n); /* compression */
    ext = part(&all, 2);
    while (!ext.bad && ext.p < ext.end) {
        type = (size_t)sessl_take_number(&ext, 2);
        psk = part(&ext, 2);
    }
    if (ext.bad || all.p != all.end || type != TLSEXT_TYPE_psk) /* which is the last one */
        return 0;
    list = part(&psk, 2);
    *id = sessl_take_counted(&list, 2, id_len);
    if (list.bad)
        return 0;
    n = (size_t)(psk.p - p);
    list = part(&psk, 2);
    *binder = sessl_take_counted(&list, 1, binder_len);
    return list.bad ? 0 : n;
}

/* +1; NULL when the session is not here. */
static SSL_SESSION *session_of(sessl_conn *c, const uint8_t *id, size_t n, int want_fips, const char *query)
{
    int i;

    for (i = 0; i < c->found_n; i++) {
        unsigned have;
        const unsigned char *p = SSL_SESSION_get_id(c->found[i], &have); /* borrowed */

        if (have == n && n > 0 && memcmp(p, id, n) == 0)
            return SSL_SESSION_up_ref(c->found[i]) ? c->found[i] : NULL; /* +1 */
    }
    return sessl_conn_open_ticket(c, id, n, want_fips, query);
}

/* Whether the ClientHello that waits names that session first, the session is here, and the
 * client has it. */
int sessl_conn_binder_good(sessl_conn *c, const uint8_t *id, size_t n, int want_fips, const char *query)
{
    const sessl_buf *b = &c->hold.message;
    const uint8_t *hello = b->p + b->head, *first, *binder;
    size_t first_len, binder_len, len;
    uint8_t good[EVP_MAX_MD_SIZE];
    SSL_SESSION *s;
    hash h = {0};
    int ok;

    if (b->p == NULL)
        return 0;
    len = find(hello, b->tail - b->head, &first, &first_len, &binder, &binder_len);
    if (len == 0 || first_len != n || memcmp(first, id, n) != 0)
        return 0;
    s = session_of(c, id, n, want_fips, query);
    ok = s != NULL && begin(&h, s, want_fips, query) && binder_len == h.n && compute(&h, s, hello, len, good)
        && CRYPTO_memcmp(good, binder, h.n) == 0;
    end(&h);
    sessl_drop_session(s);
    sessl_err_clear();
    return ok;
}
