#include "private.h"

#include <limits.h>

/* What a Ctx demands of a peer's certificate besides a chain to a root. */

int sessl_trust_slot = -1;

static X509_CRL *parse_crl(const uint8_t *der, size_t n, sessl_err *e)
{
    const unsigned char *p = der;
    X509_CRL *crl = n > LONG_MAX ? NULL : d2i_X509_CRL(NULL, &p, (long)n); /* returns +1 */

    if (crl == NULL && ERR_peek_error() == 0)
        e->no_memory = 1; /* what is malformed gets an error */
    if (crl != NULL && p != der + n) {
        X509_CRL_free(crl);
        crl = NULL;
    }
    return crl;
}

/* When the list is to be replaced, in Unix seconds; 0 when it does not say. */
static int next_update(const X509_CRL *crl, int64_t *until)
{
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl); /* borrowed from crl */
    int days, seconds;

    *until = 0;
    if (next == NULL)
        return 1;
    if (!ASN1_TIME_diff(&days, &seconds, NULL, next))
        return 0;
    *until = sessl_now() + days * (int64_t)86400 + seconds;
    return 1;
}

/* Adds the list to ctx; without ctx it only looks at it. */
int sessl_ctx_add_crl(SSL_CTX *ctx, const uint8_t *der, size_t n, int64_t *until, sessl_err *e)
{
    X509_CRL *crl;
    int ok;

    sessl_err_begin(e);
    crl = parse_crl(der, n, e);
    ok = crl != NULL && next_update(crl, until)
        && (ctx == NULL
            || X509_STORE_add_crl(SSL_CTX_get_cert_store(ctx), crl)); /* takes its own reference */
    X509_CRL_free(crl);
    sessl_err_take(e);
    return ok;
}

static int purpose_id(int purpose)
{
    switch (purpose) {
    case SESSL_PURPOSE_SERVER: return X509_PURPOSE_SSL_SERVER;
    case SESSL_PURPOSE_CLIENT: return X509_PURPOSE_SSL_CLIENT;
    }
    return X509_PURPOSE_ANY;
}

/* A depth below 0 and a purpose of 0 leave libssl's own. The SSLs made from ctx inherit. */
int sessl_ctx_set_demands(SSL_CTX *ctx, int depth, int purpose, unsigned long flags, sessl_err *e)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx); /* borrowed from ctx */
    int ok = 1;

    sessl_err_begin(e);
    if (depth >= 0)
        X509_VERIFY_PARAM_set_depth(param, depth);
    if (purpose != 0)
        ok = X509_VERIFY_PARAM_set_purpose(param, purpose_id(purpose));
    if (flags != 0)
        ok = ok && X509_VERIFY_PARAM_set_flags(param, flags);
    sessl_err_take(e);
    return ok;
}

void sessl_trust_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    OPENSSL_free(ptr);
}

/* No session made under ctx is to be resumed after that time. */
int sessl_ctx_set_trust_until(SSL_CTX *ctx, int64_t until, sessl_err *e)
{
    int64_t *kept;
    int ok;

    sessl_err_begin(e);
    kept = OPENSSL_memdup(&until, sizeof(until));
    ok = kept != NULL && SSL_CTX_set_ex_data(ctx, sessl_trust_slot, kept); /* freed with ctx */
    if (!ok) {
        OPENSSL_free(kept);
        e->no_memory = 1;
    }
    sessl_err_take(e);
    return ok;
}

/* 0 when there is no such time. */
int64_t sessl_ctx_trust_until(const SSL_CTX *ctx)
{
    const int64_t *until = SSL_CTX_get_ex_data(ctx, sessl_trust_slot);

    return until == NULL ? 0 : *until;
}

/* How many bits the modulus of a key has that may be NULL; 0 for other types of key. */
int sessl_modulus_bits(EVP_PKEY *key)
{
    int type = key == NULL ? EVP_PKEY_NONE : EVP_PKEY_base_id(key);

    return type == EVP_PKEY_RSA || type == EVP_PKEY_RSA_PSS || type == EVP_PKEY_DSA ? EVP_PKEY_bits(key) : 0;
}

/* It is because of cert, NULL if that is not known, that the peer is refused. */
void sessl_conn_blame(sessl_conn *c, X509 *cert, int depth)
{
    c->bad_depth = depth;
    if (cert == NULL || X509_up_ref(cert)) { /* +1, ours */
        X509_free(c->bad_cert);
        c->bad_cert = cert;
    }
}

/* Notes which certificate is refused, and leaves the verdict to libssl. */
int sessl_verify_cb(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    sessl_conn *c = ssl == NULL ? NULL : SSL_get_ex_data(ssl, sessl_ssl_slot);
    X509 *cert = X509_STORE_CTX_get_current_cert(store); /* borrowed from store */

    if (ok || c == NULL)
        return ok;
    if (cert == NULL && X509_STORE_CTX_get_error_depth(store) == 0)
        cert = X509_STORE_CTX_get0_cert(store);
    if (cert == NULL)
        c->bad_depth = X509_STORE_CTX_get_error_depth(store);
    else
        sessl_conn_blame(c, cert, X509_STORE_CTX_get_error_depth(store));
    return ok;
}

/* DER of the certificate that was refused; 0 when it is not known. */
int sessl_conn_bad_cert(sessl_conn *c, uint8_t **out)
{
    int n = c->bad_cert == NULL ? 0 : i2d_X509(c->bad_cert, out);

    sessl_err_clear();
    return n > 0 ? n : 0;
}
