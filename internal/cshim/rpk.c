#include "private.h"
#include "rpk.h"

#include <limits.h>
#if SESSL_HAVE_RPK
#include <openssl/core_names.h>
#endif

/* Raw public keys instead of certificates (RFC 7250). libssl negotiates the types and carries the keys. Which
 * keys are good is decided here and not by SSL_add_expected_rpk, because that takes DANE, which verifies
 * certificates by other rules, and knows nothing of a session that is resumed. */

/* In the ex_data of an SSL_CTX that knows raw public keys; immutable. */
typedef struct rules {
    int shows_x509, takes_x509;
    size_t n;
    uint8_t expected[][SESSL_RPK_DIGEST]; /* in ascending order */
} rules;

int sessl_rpk_slot = -1;

void sessl_rpk_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    OPENSSL_free(ptr);
}

/* NULL where there are certificates only. */
static const rules *rules_of(const SSL *ssl)
{
    return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), sessl_rpk_slot);
}

/* The length of a key as a SubjectPublicKeyInfo, in *out; 0 or less if it cannot be encoded. A point on a curve
 * is never compressed there, whatever the key was read from: so one key has one encoding. */
int sessl_key_der(EVP_PKEY *key, uint8_t **out)
{
#if SESSL_HAVE_RPK
    EVP_PKEY *copy;
    int form, n;

    ERR_set_mark();
    form = EVP_PKEY_get_ec_point_conv_form(key); /* 0 for other types of key */
    ERR_pop_to_mark();
    if (form != 0 && form != POINT_CONVERSION_UNCOMPRESSED) {
        copy = EVP_PKEY_dup(key); /* ours; others may use key meanwhile */
        n = copy != NULL
                && EVP_PKEY_set_utf8_string_param(copy, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                                  OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED)
            ? i2d_PUBKEY(copy, out)
            : 0;
        EVP_PKEY_free(copy);
        return n;
    }
#endif
    return i2d_PUBKEY(key, out);
}

static int digest_of(EVP_PKEY *key, uint8_t *out)
{
    uint8_t *der = NULL;
    int n = sessl_key_der(key, &der);
    int ok = n > 0 && EVP_Digest(der, (size_t)n, out, NULL, EVP_sha256(), NULL);

    OPENSSL_free(der);
    return ok;
}

/* The bits of security that a level demands of a key in a certificate (X509_VERIFY_PARAM_set_auth_level). */
static int demanded(int level)
{
    static const int bits[] = {0, 80, 112, 128, 192, 256};

    return bits[level < 0 ? 0 : level > 5 ? 5 : level];
}

/* SESSL_KEY_*: whether a connection of ctx could accept key, and in *bits what it has too few or too many of. */
static int use_of(const SSL_CTX *ctx, EVP_PKEY *key, int *bits)
{
    switch (EVP_PKEY_base_id(key)) {
    case EVP_PKEY_X25519:
    case EVP_PKEY_X448:
    case EVP_PKEY_DH:
    case EVP_PKEY_DHX: return SESSL_KEY_MUTE;
    }
    *bits = sessl_modulus_bits(key);
    if (*bits > SESSL_MODULUS_MAX)
        return SESSL_KEY_BIG;
    *bits = EVP_PKEY_security_bits(key);
    return *bits < demanded(SSL_CTX_get_security_level(ctx)) ? SESSL_KEY_WEAK : SESSL_KEY_USABLE;
}

/* The digest of a SubjectPublicKeyInfo, and of what use it is to ctx; 0 if it is none, or has bytes behind it. */
int sessl_ctx_key_digest(const SSL_CTX *ctx, const uint8_t *der, size_t n, uint8_t out[SESSL_RPK_DIGEST],
                         int *use, int *bits, sessl_err *e)
{
    const unsigned char *p = der;
    EVP_PKEY *key;
    int ok;

    sessl_err_begin(e);
    key = n > LONG_MAX ? NULL : d2i_PUBKEY(NULL, &p, (long)n); /* returns +1 */
    ok = key != NULL && p == der + n && digest_of(key, out);
    if (ok)
        *use = use_of(ctx, key, bits);
    sessl_err_take(e);
    EVP_PKEY_free(key);
    return ok;
}

/* The length of the public key of a private key, a SubjectPublicKeyInfo in *out; 0 if the key cannot be read. */
int sessl_key_public(const uint8_t *key, size_t n, const uint8_t *pass, int pass_len, uint8_t **out, int *why,
                     sessl_err *e)
{
    EVP_PKEY *k;
    int len = 0;

    sessl_err_begin(e);
    *out = NULL;
    k = sessl_key_read(key, n, pass, pass_len, why, e); /* returns +1 */
    if (k != NULL)
        len = sessl_key_der(k, out);
    sessl_err_take(e);
    EVP_PKEY_free(k); /* the last reference wipes it */
    return len > 0 ? len : 0;
}

#if SESSL_HAVE_RPK
static int set_types(SSL_CTX *ctx, int of_server, const uint8_t *types, size_t n)
{
    if (types == NULL)
        return 1;
    return of_server ? SSL_CTX_set1_server_cert_type(ctx, types, n)
                     : SSL_CTX_set1_client_cert_type(ctx, types, n);
}

static int has_x509(const uint8_t *types, size_t n)
{
    return types == NULL || memchr(types, TLSEXT_cert_type_x509, n) != NULL;
}

/* The types of both sides by their numbers in the TLS registry, a server's favourite first; NULL for
 * certificates only. expected are n digests in ascending order. */
int sessl_ctx_set_cert_types(SSL_CTX *ctx, int server, const uint8_t *own, size_t own_n, const uint8_t *peer,
                             size_t peer_n, const uint8_t *expected, size_t n, sessl_err *e)
{
    rules *r = OPENSSL_malloc(sizeof(*r) + n * SESSL_RPK_DIGEST);
    int ok;

    sessl_err_begin(e);
    if (r != NULL) {
        r->shows_x509 = has_x509(own, own_n);
        r->takes_x509 = has_x509(peer, peer_n);
        r->n = n;
        if (n > 0)
            memcpy(r->expected, expected, n * SESSL_RPK_DIGEST);
    }
    ok = r != NULL && SSL_CTX_set_ex_data(ctx, sessl_rpk_slot, r); /* freed with ctx */
    if (!ok)
        OPENSSL_free(r);
    ok = ok && set_types(ctx, server, own, own_n) && set_types(ctx, !server, peer, peer_n);
    sessl_err_take(e);
    return ok;
}

static int own_type(const SSL *ssl)
{
    return SSL_is_server(ssl) ? SSL_get_negotiated_server_cert_type(ssl)
                              : SSL_get_negotiated_client_cert_type(ssl);
}

/* Borrowed from the session; NULL for none. */
EVP_PKEY *sessl_session_raw_key(const SSL_SESSION *s)
{
    return SSL_SESSION_get0_peer_rpk((SSL_SESSION *)s);
}

/* The key that the peer has shown, borrowed; NULL if it has shown a certificate. */
EVP_PKEY *sessl_shown_raw_key(X509_STORE_CTX *store)
{
    return X509_STORE_CTX_get0_rpk(store);
}
#else
int sessl_ctx_set_cert_types(SSL_CTX *ctx, int server, const uint8_t *own, size_t own_n, const uint8_t *peer,
                             size_t peer_n, const uint8_t *expected, size_t n, sessl_err *e)
{
    (void)ctx, (void)server, (void)own, (void)own_n, (void)peer, (void)peer_n, (void)expected, (void)n;
    sessl_err_begin(e);
    return 0;
}

static int own_type(const SSL *ssl)
{
    (void)ssl;
    return 0;
}

EVP_PKEY *sessl_session_raw_key(const SSL_SESSION *s)
{
    (void)s;
    return NULL;
}

EVP_PKEY *sessl_shown_raw_key(X509_STORE_CTX *store)
{
    (void)store;
    return NULL;
}
#endif

/* Whether the key of this side is shown without a certificate; the handshake has come that far. */
int sessl_conn_own_is_raw(const sessl_conn *c)
{
    return own_type(c->ssl) != 0;
}

/* Whether this side may show something of the type that has been negotiated. To a peer that knows nothing of
 * types libssl shows a certificate, also where the Ctx has only keys. */
int sessl_conn_may_show(const sessl_conn *c)
{
    const rules *r = rules_of(c->ssl);

    return r == NULL || r->shows_x509 || own_type(c->ssl) != 0;
}

/* The same of what the peer has shown. */
int sessl_takes_type(SSL *ssl, int raw)
{
    const rules *r = rules_of(ssl);

    return raw ? r != NULL : r == NULL || r->takes_x509;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, SESSL_RPK_DIGEST);
}

/* X509_V_OK when the Ctx of ssl expects the key, or why not. */
int sessl_judge_raw_key(SSL *ssl, EVP_PKEY *key)
{
    const rules *r = rules_of(ssl);
    uint8_t digest[SESSL_RPK_DIGEST];

    if (EVP_PKEY_security_bits(key) < demanded(SSL_get_security_level(ssl)))
        return X509_V_ERR_EE_KEY_TOO_SMALL;
    if (r == NULL || !digest_of(key, digest)
        || bsearch(digest, r->expected, r->n, SESSL_RPK_DIGEST, compare) == NULL)
        return SESSL_UNTRUSTED_KEY;
    return X509_V_OK;
}

/* SESSL_RAW_*: what s, which may be NULL, is worth to a connection that resumes it. */
int sessl_session_rate_raw(SSL *ssl, const SSL_SESSION *s)
{
    EVP_PKEY *key = s == NULL ? NULL : sessl_session_raw_key(s); /* borrowed */

    if (key == NULL)
        return SESSL_RAW_NONE;
    return sessl_judge_raw_key(ssl, key) == X509_V_OK ? SESSL_RAW_EXPECTED : SESSL_RAW_OTHER;
}

/* It is because of key that the peer is refused. */
void sessl_conn_blame_key(sessl_conn *c, EVP_PKEY *key)
{
    if (EVP_PKEY_up_ref(key)) { /* +1, ours */
        EVP_PKEY_free(c->bad_key);
        c->bad_key = key;
    }
}

/* The key that was refused, as a SubjectPublicKeyInfo; 0 when it was none. */
int sessl_conn_bad_key(const sessl_conn *c, uint8_t **out)
{
    int n = c->bad_key == NULL ? 0 : sessl_key_der(c->bad_key, out);

    sessl_err_clear();
    return n > 0 ? n : 0;
}
