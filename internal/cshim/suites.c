#include "private.h"

/* Which of a Ctx's parameters can work together. libssl is asked through its own security
 * callback, which allocates nothing: SSL_get1_supported_ciphers does not tell a suite that
 * is disabled from one that there was no memory for. */

static int allowed(SSL *ssl, int op, int bits, int nid, const void *other)
{
    return SSL_get_security_callback(ssl)(ssl, NULL, op, bits, nid, (void *)other,
                                          SSL_get0_security_ex_data(ssl));
}

/* Whether the security level leaves the version; up to TLS 1.1 no level above 0 does from
 * OpenSSL 3.0 on. */
static int version_allowed(SSL *ssl, int version)
{
    return allowed(ssl, SSL_SECOP_VERSION, 0, version, NULL);
}

/* What sort of key the certificates have; 0 when there is none. */
static int key_kinds(SSL *ssl)
{
    int kinds = 0;
    long more;

    for (more = SSL_set_current_cert(ssl, SSL_CERT_SET_FIRST); more == 1;
         more = SSL_set_current_cert(ssl, SSL_CERT_SET_NEXT)) {
        X509 *cert = SSL_get_certificate(ssl); /* borrowed from the SSL */
        EVP_PKEY *key = cert == NULL ? NULL : X509_get0_pubkey(cert);

        switch (key == NULL ? EVP_PKEY_NONE : EVP_PKEY_base_id(key)) {
        case EVP_PKEY_RSA: kinds |= SESSL_KEY_RSA; break;
        case EVP_PKEY_RSA_PSS: kinds |= SESSL_KEY_RSA_PSS; break;
        case EVP_PKEY_EC: kinds |= SESSL_KEY_EC; break;
        case EVP_PKEY_ED25519: kinds |= SESSL_KEY_ED25519; break;
        case EVP_PKEY_ED448: kinds |= SESSL_KEY_ED448; break;
        default: kinds |= SESSL_KEY_OTHER; break;
        }
    }
    return kinds;
}

static int is_off(SSL *ssl, int version)
{
    static const uint64_t off[] = {SSL_OP_NO_TLSv1, SSL_OP_NO_TLSv1_1, SSL_OP_NO_TLSv1_2, SSL_OP_NO_TLSv1_3};

    return version >= TLS1_VERSION && version <= TLS1_3_VERSION
        && (SSL_get_options(ssl) & off[version - TLS1_VERSION]) != 0;
}

/* Whether the SSL negotiates some version from min to max. */
int sessl_has_version(SSL *ssl, int min, int max)
{
    int low = (int)SSL_get_min_proto_version(ssl), high = (int)SSL_get_max_proto_version(ssl), v;

    if (high == 0 || high > TLS1_3_VERSION)
        high = TLS1_3_VERSION;
    for (v = min > low ? min : low; v <= max && v <= high; v++)
        if (version_allowed(ssl, v) && !is_off(ssl, v))
            return 1;
    return 0;
}

static int suite_has_version(SSL *ssl, const SSL_CIPHER *c)
{
    const char *since = SSL_CIPHER_get_version(c);

    if (strcmp(since, "TLSv1.3") == 0)
        return sessl_has_version(ssl, TLS1_3_VERSION, TLS1_3_VERSION);
    return sessl_has_version(ssl, strcmp(since, "TLSv1.2") == 0 ? TLS1_2_VERSION : TLS1_VERSION,
                             TLS1_2_VERSION);
}

static int versions_of(SSL *ssl, const SSL_CIPHER *c)
{
    int v, bits = 0, first = TLS1_VERSION, last = TLS1_2_VERSION;

    if (sessl_cipher_is13(c))
        first = last = TLS1_3_VERSION;
    else if (strcmp(SSL_CIPHER_get_version(c), "TLSv1.2") == 0)
        first = TLS1_2_VERSION;
    for (v = first; v <= last; v++)
        if (sessl_has_version(ssl, v, v))
            bits |= 1 << (v - TLS1_VERSION);
    return bits;
}

static int has_kx(const SSL_CIPHER *c, int server, int psks)
{
    switch (SSL_CIPHER_get_kx_nid(c)) {
    case NID_kx_dhe: return !server; /* no parameters for it are ever set */
    case NID_kx_psk:
    case NID_kx_ecdhe_psk: return psks;
    case NID_kx_dhe_psk: return psks && !server;
    case NID_kx_rsa_psk:
    case NID_kx_srp: return 0;
    }
    return 1;
}

static int has_key(const SSL_CIPHER *c, int kinds)
{
    switch (kinds == 0 ? NID_auth_any : SSL_CIPHER_get_auth_nid(c)) {
    case NID_auth_rsa: return (kinds & (SESSL_KEY_RSA | SESSL_KEY_RSA_PSS)) != 0;
    case NID_auth_ecdsa: return (kinds & (SESSL_KEY_EC | SESSL_KEY_ED25519 | SESSL_KEY_ED448)) != 0;
    }
    return 1;
}

static int verdict(SSL *ssl, int server, const SSL_CIPHER *c, int kinds)
{
    if (!allowed(ssl, SSL_SECOP_CIPHER_SUPPORTED, SSL_CIPHER_get_bits(c, NULL), 0, c))
        return SESSL_SUITE_LEVEL;
    if (!has_kx(c, server, sessl_ctx_psk_suites(SSL_get_SSL_CTX(ssl))))
        return SESSL_SUITE_KX;
    if (!suite_has_version(ssl, c))
        return SESSL_SUITE_VERSION;
    return !server || has_key(c, kinds) ? SESSL_SUITE_OK : SESSL_SUITE_KEY;
}

static void rate_suites(SSL *ssl, int server, sessl_suite *suites, size_t n, sessl_params *got)
{
    STACK_OF(SSL_CIPHER) *all = SSL_get_ciphers(ssl); /* borrowed from the SSL */
    size_t k;
    int i;

    for (i = 0; i < sk_SSL_CIPHER_num(all); i++) {
        const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);
        int v = verdict(ssl, server, c, got->keys);

        got->usable += v == SESSL_SUITE_OK;
        if (v == SESSL_SUITE_OK)
            got->served |= versions_of(ssl, c);
        for (k = 0; k < n; k++) {
            if (suites[k].id == SSL_CIPHER_get_protocol_id(c)) {
                suites[k].verdict = v;
                suites[k].name = SSL_CIPHER_get_name(c); /* static */
            }
        }
    }
}

/* Gives ssl what its Ctx leaves to each connection; *bad is the one that it does not take. */
static int use_certs(SSL *ssl, sessl_cert *const *certs, int n, int *bad)
{
    for (*bad = n - 1; *bad >= 0; --*bad) {
        const sessl_cert *c = certs[*bad];

        if (!SSL_use_cert_and_key(ssl, c->leaf, c->key, c->chain, 1)) /* takes references of its own */
            return 0;
    }
    return 1;
}

/* What the Ctx's settings come to, with certs besides its own, and what becomes of each of
 * the suites. 0 without memory, unless *bad is the number of a certificate. */
int sessl_ctx_params(SSL_CTX *ctx, int server, sessl_cert *const *certs, int certs_n, int *bad,
                     sessl_suite *suites, size_t n, sessl_params *got, sessl_err *e)
{
    size_t k;
    SSL *ssl;
    int v, ok;

    sessl_err_begin(e);
    memset(got, 0, sizeof(*got));
    *bad = -1;
    for (k = 0; k < n; k++)
        suites[k].verdict = SESSL_SUITE_MISSING;
    ssl = SSL_new(ctx); /* returns +1 */
    ok = ssl != NULL && use_certs(ssl, certs, certs_n, bad);
    if (ok) {
        got->level = SSL_get_security_level(ssl);
        got->keys = key_kinds(ssl);
        for (v = TLS1_VERSION; v <= TLS1_3_VERSION; v++)
            if (!version_allowed(ssl, v))
                got->forbidden = v;
        rate_suites(ssl, server, suites, n, got);
        for (v = 0; v < certs_n; v++)
            sessl_ctx_pack(ctx, certs[v]);
    }
    sessl_err_take(e); /* freeing clears the queue */
    SSL_free(ssl);
    sessl_err_clear();
    return ok;
}
