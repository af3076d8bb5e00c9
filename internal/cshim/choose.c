#include "private.h"
#include "rpk.h"

/* The certificate that a side shows is asked for where libssl needs it, which is not in
 * resumptions: cert_cb leaves the handshake waiting until Go has answered. */

/* The parts of a CertificateRequest that matter for a choice: signature schemes, then the
 * names of CAs, each in DER. */
static int copy_request(SSL *ssl, sessl_buf *b)
{
    const STACK_OF(X509_NAME) *names = SSL_get0_peer_CA_list(ssl); /* borrowed */
    int i, n = SSL_get_sigalgs(ssl, 0, NULL, NULL, NULL, NULL, NULL);
    unsigned char rsig, rhash;

    sessl_buf_free(b);
    if (!sessl_buf_number(b, n > 0 ? 2 * (size_t)n : 0, 2))
        return 0;
    for (i = 0; i < n; i++) {
        SSL_get_sigalgs(ssl, i, NULL, NULL, NULL, &rsig, &rhash);
        if (!sessl_buf_number(b, (size_t)(rhash << 8 | rsig), 2))
            return 0;
    }
    for (i = 0; names != NULL && i < sk_X509_NAME_num(names); i++) {
        unsigned char *der = NULL;
        int len = i2d_X509_NAME(sk_X509_NAME_value(names, i), &der); /* allocates der */
        int ok = len >= 0 && sessl_buf_counted(b, der, (size_t)len, 2);

        OPENSSL_free(der);
        if (!ok)
            return 0;
    }
    return 1;
}

/* The security callback of a server with a key that only signs, behind the one that all SSLs have:
 * a suite with RSA as key exchange would have to decrypt. */
static int (*standard)(const SSL *, const SSL_CTX *, int, int, int, void *, void *);

static int no_decryption(const SSL *ssl, const SSL_CTX *ctx, int op, int bits, int nid, void *other, void *ex)
{
    if (op == SSL_SECOP_CIPHER_SHARED && SSL_CIPHER_get_kx_nid(other) == NID_kx_rsa)
        return 0;
    return standard(ssl, ctx, op, bits, nid, other, ex);
}

/* Whether the handshake must wait until it has a thread to sign on. From here on libssl signs
 * without another pause. */
static int needs_thread(const sessl_conn *c, SSL *ssl)
{
    if (c->signs == 0 || c->signing != NULL)
        return 0;
    if (c->server && (c->signs & SESSL_SIGNS_RSA) != 0 && SSL_get_security_callback(ssl) != no_decryption) {
        __atomic_store_n(&standard, SSL_get_security_callback(ssl), __ATOMIC_RELAXED); /* always the same */
        SSL_set_security_callback(ssl, no_decryption);
    }
    return 1;
}

/* libssl goes on with the certificate that Go has given, or with those of this side that fit. The types of
 * certificates have been settled by now: without one in common there is nothing to show. */
static int settle(sessl_conn *c, SSL *ssl, int given)
{
    if (!sessl_conn_may_show(c)) {
        SSL_certs_clear(ssl);
        return 1;
    }
    if (!given && !sessl_conn_pick(c, ssl))
        return 0;
    if (!sessl_conn_own_is_raw(c)) /* libssl compresses no key */
        sessl_conn_pack(c, ssl);
    return 1;
}

/* SSL_CTX_set_cert_cb; with arg, Go is asked. It may be called twice a handshake, when there is
 * a HelloRetryRequest: the answer is kept in the SSL. */
static int cert_cb(SSL *ssl, void *arg)
{
    sessl_conn *c = SSL_get_ex_data(ssl, sessl_ssl_slot);
    int given = c == NULL || c->chosen == SESSL_CHOSEN_GIVEN;

    if (c != NULL && c->refused)
        return 0; /* internal_error */
    if (given || arg == NULL || c->chosen == SESSL_CHOSEN_OWN) {
        if (c == NULL)
            return 1;
        if (!needs_thread(c, ssl))
            return settle(c, ssl, given);
        c->ask = SESSL_ASK_THREAD;
        return -1;
    }
    if (!c->server && !copy_request(ssl, &c->hello)) {
        c->alloc_failed = 1;
        return 0;
    }
    c->ask = SESSL_ASK_CERTIFICATE;
    return -1;
}

/* SSL_CTX_set_tlsext_servername_callback of a server; with arg, the Ctx chooses certificates by
 * the name. A server that has used it must say so (RFC 6066, section 3), but not in a resumption:
 * there the name is that of the first time. In TLS 1.2 libssl sees to that, in TLS 1.3 it does not
 * (1.1.1w, 3.0, 3.5, 4.0). To libssl an external key is a resumption, too. */
static int server_name(SSL *ssl, int *al, void *arg)
{
    sessl_conn *c = SSL_get_ex_data(ssl, sessl_ssl_slot);

    (void)al;
    if (c == NULL || SSL_session_reused(ssl))
        return SSL_TLSEXT_ERR_NOACK;
    return arg != NULL || c->by_name || c->certs != NULL ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* ask: Go is asked for the certificate; by_name: it is chosen by the name that the client sends. */
void sessl_ctx_set_choose(SSL_CTX *ctx, int server, int ask, int by_name)
{
    static const char yes;

    SSL_CTX_set_cert_cb(ctx, cert_cb, ask ? (void *)&yes : NULL);
    if (server) {
        SSL_CTX_set_tlsext_servername_callback(ctx, server_name);
        SSL_CTX_set_tlsext_servername_arg(ctx, by_name ? (void *)&yes : NULL);
    }
}

/* The connection has no certificate, whatever its Ctx has. */
void sessl_conn_no_cert(sessl_conn *c)
{
    SSL_certs_clear(c->ssl);
}
