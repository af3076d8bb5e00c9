#include "cshim.h"

#include <string.h>

/* A server's protocols in wire form, in the ex_data of its SSL_CTX. */
typedef struct alpn {
    size_t n;
    uint8_t wire[];
} alpn;

void sessl_alpn_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    OPENSSL_free(ptr);
}

/* The server's order decides; nothing in common is fatal (RFC 7301, section 3.2). */
static int choose(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len, void *arg)
{
    const alpn *a = arg;
    unsigned char *chosen;

    (void)ssl;
    if (SSL_select_next_proto(&chosen, out_len, a->wire, (unsigned)a->n, in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen; /* in a or in, both outlive the call */
    return SSL_TLSEXT_ERR_OK;
}

int sessl_ctx_set_alpn(SSL_CTX *ctx, int server, const uint8_t *wire, size_t n, sessl_err *e)
{
    alpn *a = NULL;
    int ok;

    sessl_err_begin(e);
    if (server) {
        a = OPENSSL_malloc(sizeof(*a) + n);
        ok = a != NULL;
        if (ok) {
            a->n = n;
            memcpy(a->wire, wire, n);
            ok = SSL_CTX_set_ex_data(ctx, sessl_ctx_slot, a); /* freed with ctx */
        }
        if (ok)
            SSL_CTX_set_alpn_select_cb(ctx, choose, a);
        else
            OPENSSL_free(a);
    } else {
        ok = SSL_CTX_set_alpn_protos(ctx, wire, (unsigned)n) == 0; /* copies; 0 is success here */
    }
    sessl_err_take(e);
    return ok;
}
