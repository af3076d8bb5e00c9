#include "private.h"

#include <limits.h>
#include <stdlib.h>
#include <time.h>

/* The roots that Ctxs trust, parsed once and shared. Go has read the files and split the PEM. */

/* NULL without memory. */
sessl_roots *sessl_roots_new(void)
{
    sessl_roots *r = sk_X509_new_null();

    sessl_err_clear();
    return r;
}

/* Returns +1: the certificate at der, with the trust settings behind it if it is a trusted one;
 * NULL unless it can be the issuer of another. */
static X509 *parse_root(const uint8_t *der, size_t n, int trusted, size_t *used, sessl_err *e)
{
    const unsigned char *p = der;
    X509 *x = n > LONG_MAX ? NULL : trusted ? d2i_X509_AUX(NULL, &p, (long)n) : d2i_X509(NULL, &p, (long)n);

    if (x == NULL && ERR_peek_error() == 0)
        e->no_memory = 1; /* what is malformed gets an error */
    if (x != NULL && (X509_get0_pubkey(x) == NULL || X509_check_purpose(x, -1, 0) == -1)) {
        X509_free(x);
        x = NULL;
    }
    *used = (size_t)(p - der);
    return x;
}

/* hash is that of the subject that is wanted; NULL for any. How long the certificate is, used
 * says. Without memory OpenSSL reports an unknown key: so what cannot be used is tried again. */
int sessl_roots_add(sessl_roots *r, const uint8_t *der, size_t n, int trusted, const uint32_t *hash,
                    size_t *used, sessl_err *e)
{
    X509 *x;

    sessl_err_begin(e);
    x = parse_root(der, n, trusted, used, e); /* returns +1 */
    if (x == NULL) {
        sessl_err_take(e);
        sessl_err_begin(e);
        x = parse_root(der, n, trusted, used, e); /* returns +1 */
    }
    if (x == NULL) {
        sessl_err_take(e);
        return SESSL_ROOT_UNUSABLE;
    }
    if (hash != NULL && X509_subject_name_hash(x) != *hash) {
        X509_free(x);
        sessl_err_clear();
        return SESSL_ROOT_MISNAMED;
    }
    if (!sk_X509_push(r, x)) { /* takes over the reference */
        X509_free(x);
        e->no_memory = 1;
        sessl_err_take(e);
        return SESSL_ROOT_UNUSABLE;
    }
    sessl_err_clear();
    return SESSL_ROOT_ADDED;
}

/* announce: also name them in the server's CertificateRequest. */
int sessl_ctx_add_roots(SSL_CTX *ctx, const sessl_roots *r, int announce, sessl_err *e)
{
    int i, ok = 1;

    sessl_err_begin(e);
    for (i = 0; ok && i < sk_X509_num(r); i++) {
        X509 *x = sk_X509_value(r, i); /* borrowed from r */

        ok = X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x) /* takes its own reference */
            && (!announce || SSL_CTX_add_client_CA(ctx, x));     /* copies the name */
    }
    sessl_err_take(e);
    return ok;
}

/* How many bytes the names take in a CertificateRequest. */
size_t sessl_ctx_ca_names(const SSL_CTX *ctx)
{
    STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(ctx); /* borrowed from ctx */
    size_t sum = 0;
    int i, n;

    for (i = 0; i < sk_X509_NAME_num(names); i++)
        if ((n = i2d_X509_NAME(sk_X509_NAME_value(names, i), NULL)) > 0)
            sum += 2 + (size_t)n;
    sessl_err_clear();
    return sum;
}

void sessl_roots_free(sessl_roots *r)
{
    sk_X509_pop_free(r, X509_free); /* -1 on each */
    sessl_err_clear();
}

/* 1 when the certificate is valid now, as far as its dates go. */
int sessl_der_in_time(const uint8_t *der, size_t n)
{
    X509 *x = n > LONG_MAX ? NULL : d2i_X509(NULL, &der, (long)n); /* returns +1 */
    time_t now = (time_t)sessl_now();
    int from = x == NULL ? 1 : ASN1_TIME_cmp_time_t(X509_get0_notBefore(x), now); /* -2: no time */
    int ok = (from == -1 || from == 0) && ASN1_TIME_cmp_time_t(X509_get0_notAfter(x), now) == 1;

    X509_free(x);
    sessl_err_clear();
    return ok;
}

/* Where the system's roots are, as libssl reads it: a file, or a list of directories. The
 * environment counts as it is in C, and not at all in a program with another user's rights.
 * The copy is the caller's; NULL without memory. */
char *sessl_default_roots(int dirs)
{
    const char *env = dirs ? X509_get_default_cert_dir_env() : X509_get_default_cert_file_env();

    env = OPENSSL_issetugid() ? NULL : getenv(env);
    if (env == NULL)
        env = dirs ? X509_get_default_cert_dir() : X509_get_default_cert_file();
    return OPENSSL_strdup(env);
}
