#include "private.h"

/* What a side wants of compressed certificates. How a server compresses its own is in certpack.c. */

/* Whether that release holds what it decompresses to the limit for certificates. Others allocate up to 16 MB
 * for a peer that says so (CVE-2025-66199); OpenSSL 3.2 was never corrected. */
int sessl_certcomp_is_bounded(unsigned long version)
{
    static const unsigned long since[] = {0x30300060L, 0x30400040L, 0x30500050L, 0x30600010L};
    size_t i, n = sizeof(since) / sizeof(since[0]);

    for (i = 0; i < n; i++)
        if (version >> 20 == since[i] >> 20)
            return version >= since[i];
    return version > since[n - 1];
}

#if SESSL_HAVE_CERT_COMPRESSION

/* The peer is to send no compressed certificate, and with both it is sent none either. */
void sessl_ctx_refuse_certcomp(SSL_CTX *ctx, int both)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_RX_CERTIFICATE_COMPRESSION);
    if (both)
        SSL_CTX_set_options(ctx, SSL_OP_NO_TX_CERTIFICATE_COMPRESSION);
}

/* The algorithms, in order of preference, whatever openssl.cnf says. 0: the library is built without the
 * one at *missing, or there is no memory for n. */
int sessl_ctx_set_certcomp(SSL_CTX *ctx, const uint16_t *algs, size_t n, size_t *missing, sessl_err *e)
{
    int list[TLSEXT_comp_cert_limit], ok = 1;
    sessl_policy *policy = SSL_CTX_get_ex_data(ctx, sessl_policy_slot); /* borrowed from ctx; a server's */
    unsigned bits = 0;

    sessl_err_begin(e);
    for (*missing = 0; *missing < n && ok; *missing += (size_t)ok) {
        list[*missing] = algs[*missing];
        bits |= 1U << algs[*missing];
        ok = SSL_CTX_set1_cert_comp_preference(ctx, &list[*missing], 1) == 1;
    }
    ok = ok && SSL_CTX_set1_cert_comp_preference(ctx, list, n) == 1;
    if (ok && policy != NULL)
        policy->packs = bits;
    SSL_CTX_clear_options(ctx, SSL_OP_NO_RX_CERTIFICATE_COMPRESSION | SSL_OP_NO_TX_CERTIFICATE_COMPRESSION);
    sessl_err_take(e);
    return ok;
}

#else

void sessl_ctx_refuse_certcomp(SSL_CTX *ctx, int both)
{
    (void)ctx, (void)both;
}

int sessl_ctx_set_certcomp(SSL_CTX *ctx, const uint16_t *algs, size_t n, size_t *missing, sessl_err *e)
{
    (void)ctx, (void)algs, (void)n;
    sessl_err_begin(e);
    *missing = 0;
    return 0;
}

#endif
