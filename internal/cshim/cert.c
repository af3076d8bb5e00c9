#include "cshim.h"

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
