#include "cshim.h"

#include <limits.h>

/* What a Ctx trusts. Certificates arrive as DER: Go has split the PEM. */

/* The certificate at *p, which moves behind it; returns +1. */
X509 *sessl_parse_cert(const uint8_t **p, size_t n, sessl_err *e)
{
    X509 *cert = n > LONG_MAX ? NULL : d2i_X509(NULL, p, (long)n);

    if (cert == NULL && ERR_peek_error() == 0)
        e->no_memory = 1; /* what is malformed gets an error */
    return cert;
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
    cert = sessl_parse_cert(&der, n, e);
    /* Both up_ref or copy what they keep; our reference ends here. */
    ok = cert != NULL && X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert)
        && (!announce || SSL_CTX_add_client_CA(ctx, cert));
    X509_free(cert);
    sessl_err_take(e);
    return ok;
}
