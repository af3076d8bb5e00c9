/* A part of cshim.h. */
#ifndef SESSL_ALPN_H
#define SESSL_ALPN_H

/* ---- alpn.c: application protocols ---- */

/* A list of protocols in wire form. */
typedef struct sessl_alpn {
    size_t n;
    uint8_t wire[];
} sessl_alpn;

int sessl_ctx_set_alpn(SSL_CTX *ctx, int server, const uint8_t *wire, size_t n, sessl_err *e);
int sessl_conn_set_alpn(sessl_conn *c, const uint8_t *wire, size_t n, sessl_err *e);
void sessl_alpn_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);

#endif
