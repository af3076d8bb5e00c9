#include "private.h"

#include <limits.h>

/* Certificates arrive as DER: Go has split the PEM. */

/* The certificate at *p, which moves behind it; returns +1. */
X509 *sessl_parse_cert(const uint8_t **p, size_t n, sessl_err *e)
{
    X509 *cert = n > LONG_MAX ? NULL : d2i_X509(NULL, p, (long)n);

    if (cert == NULL && ERR_peek_error() == 0)
        e->no_memory = 1; /* what is malformed gets an error */
    return cert;
}

/* The i-th certificate of chain; 0 past the last, and negative without memory. */
int sessl_cert_der(STACK_OF(X509) *chain, int i, uint8_t **out)
{
    X509 *cert = i < sk_X509_num(chain) ? sk_X509_value(chain, i) : NULL; /* borrowed */
    int n;

    *out = NULL;
    if (cert == NULL)
        return 0;
    n = i2d_X509(cert, out);
    sessl_err_clear();
    return n <= 0 ? -1 : n;
}
