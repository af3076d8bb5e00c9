#include "cshim.h"

#include <limits.h>

/* Trust and identity of a Ctx. Certificates arrive as DER: Go has split the PEM. */

static X509 *parse_cert(const uint8_t *der, size_t n, sessl_err *e)
{
    const unsigned char *p = der;
    X509 *cert = n > LONG_MAX ? NULL : d2i_X509(NULL, &p, (long)n); /* returns +1 */

    if (cert == NULL && ERR_peek_error() == 0)
        e->no_memory = 1; /* what is malformed gets an error */
    return cert;
}

static EVP_PKEY *parse_key(const uint8_t *der, size_t n, sessl_err *e)
{
    const unsigned char *p = der;
    EVP_PKEY *key = n > LONG_MAX ? NULL : d2i_AutoPrivateKey(NULL, &p, (long)n); /* returns +1 */

    if (key == NULL && ERR_peek_error() == 0)
        e->no_memory = 1;
    return key;
}

int sessl_ctx_system_roots(SSL_CTX *ctx, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    ok = SSL_CTX_set_default_verify_paths(ctx);
    sessl_err_take(e);
    return ok;
}

/* announce: also name it in the server's CertificateRequest. */
int sessl_ctx_add_root(SSL_CTX *ctx, const uint8_t *der, size_t n, int announce, sessl_err *e)
{
    X509 *cert;
    int ok;

    sessl_err_begin(e);
    cert = parse_cert(der, n, e);
    /* Both up_ref or copy what they keep; our reference ends here. */
    ok = cert != NULL && X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert)
        && (!announce || SSL_CTX_add_client_CA(ctx, cert));
    X509_free(cert);
    sessl_err_take(e);
    return ok;
}

int sessl_ctx_use_cert(SSL_CTX *ctx, const uint8_t *der, size_t n, int leaf, sessl_err *e)
{
    X509 *cert;
    int ok;

    sessl_err_begin(e);
    cert = parse_cert(der, n, e);
    /* Both take a reference of their own; ours ends here. */
    ok = cert != NULL && (leaf ? SSL_CTX_use_certificate(ctx, cert) : SSL_CTX_add1_chain_cert(ctx, cert));
    X509_free(cert);
    sessl_err_take(e);
    return ok;
}

/* For the certificate given last; fails when the two do not match. */
int sessl_ctx_use_key(SSL_CTX *ctx, const uint8_t *key, size_t n, sessl_err *e)
{
    EVP_PKEY *pkey;
    int ok;

    sessl_err_begin(e);
    pkey = parse_key(key, n, e);
    ok = pkey != NULL && SSL_CTX_use_PrivateKey(ctx, pkey) && SSL_CTX_check_private_key(ctx); /* takes its own reference */
    EVP_PKEY_free(pkey);
    sessl_err_take(e);
    return ok;
}

int sessl_check_key(const uint8_t *der, size_t n, const uint8_t *key, size_t klen, sessl_err *e)
{
    X509 *cert;
    EVP_PKEY *pkey;
    int ok;

    sessl_err_begin(e);
    cert = parse_cert(der, n, e);
    pkey = cert == NULL ? NULL : parse_key(key, klen, e);
    ok = pkey != NULL && X509_check_private_key(cert, pkey);
    EVP_PKEY_free(pkey);
    X509_free(cert);
    sessl_err_take(e);
    return ok;
}
