#include "private.h"

int sessl_alpn_slot = -1;

void sessl_alpn_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    OPENSSL_free(ptr);
}

/* The caller's to free; NULL without memory. */
static sessl_alpn *list(const uint8_t *wire, size_t n)
{
    sessl_alpn *a = OPENSSL_malloc(sizeof(*a) + n);

    if (a == NULL)
        return NULL;
    a->n = n;
    if (n > 0)
        memcpy(a->wire, wire, n);
    return a;
}

/* The server's order decides; nothing in common is fatal (RFC 7301, section 3.2). What the
 * connection has of its own counts for whatever Ctx it belongs to; none at all is no ALPN. */
static int select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
    const sessl_conn *c = SSL_get_ex_data(ssl, sessl_ssl_slot);
    const sessl_alpn *a = arg;
    unsigned char *selected;

    if (c != NULL && c->protos != NULL)
        a = c->protos;
    if (a->n == 0)
        return SSL_TLSEXT_ERR_NOACK;
    if (SSL_select_next_proto(&selected, out_len, a->wire, (unsigned)a->n, in, in_len)
        != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = selected; /* in a or in in, both outlive the call */
    return SSL_TLSEXT_ERR_OK;
}

int sessl_ctx_set_alpn(SSL_CTX *ctx, int server, const uint8_t *wire, size_t n, sessl_err *e)
{
    sessl_alpn *a = NULL;
    int ok;

    sessl_err_begin(e);
    if (server) {
        a = list(wire, n);
        ok = a != NULL && SSL_CTX_set_ex_data(ctx, sessl_alpn_slot, a); /* freed with ctx */
        if (ok)
            SSL_CTX_set_alpn_select_cb(ctx, select_protocol, a);
        else
            OPENSSL_free(a);
    } else {
        ok = SSL_CTX_set_alpn_protos(ctx, wire, (unsigned)n) == 0; /* copies; 0 is success here */
    }
    sessl_err_take(e);
    return ok;
}

/* Replaces the protocols of the Ctx for c, before its handshake. */
int sessl_conn_set_alpn(sessl_conn *c, const uint8_t *wire, size_t n, sessl_err *e)
{
    sessl_alpn *a;
    int ok;

    sessl_err_begin(e);
    if (c->server) {
        a = list(wire, n);
        ok = a != NULL;
        if (ok) {
            OPENSSL_free(c->protos);
            c->protos = a; /* freed with c */
        }
    } else {
        ok = SSL_set_alpn_protos(c->ssl, wire, (unsigned)n) == 0; /* copies; 0 is success here */
        if (!ok && n == 0) { /* 1.1.1 clears them, and calls it a lack of memory */
            ERR_clear_error();
            ok = 1;
        }
    }
    sessl_err_take(e);
    return ok;
}
