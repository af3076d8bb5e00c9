#include "least.h"

#include <openssl/err.h>

SSL_CTX *least_ctx(int server, int version, const char *cert, const char *key, const char *ca, int verify,
                   int by_id)
{
    SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()); /* returns +1, for good */
    int mode = verify ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE;

    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, version) != 1
        || SSL_CTX_set_max_proto_version(ctx, version) != 1
        || SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") != 1
        || SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256") != 1
        || SSL_CTX_set1_groups_list(ctx, "X25519:P-256") != 1 || SSL_CTX_set_num_tickets(ctx, 1) != 1
        || (verify
            && SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1) /* a server would build chains from it */
        || SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"least", 5) != 1)
        return NULL;
    if (cert != NULL
        && (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1
            || SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1))
        return NULL;
    SSL_CTX_set_verify(ctx, mode, NULL);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE);
    if (by_id)
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    return ctx;
}

SSL *least_new(SSL_CTX *ctx, int fd, int server, const char *name, SSL_SESSION *session)
{
    SSL *ssl = SSL_new(ctx); /* returns +1 */

    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1)
        return NULL;
    if (server) {
        SSL_set_accept_state(ssl);
        return ssl;
    }
    SSL_set_connect_state(ssl);
    if (SSL_set_tlsext_host_name(ssl, name) != 1 || SSL_set1_host(ssl, name) != 1
        || (session != NULL && SSL_set_session(ssl, session) != 1)) /* takes a reference of its own */
        return NULL;
    return ssl;
}

/* What the functions below return instead of SSL_get_error. */
static int failed(SSL *ssl, int ret)
{
    return -SSL_get_error(ssl, ret);
}

int least_handshake(SSL *ssl)
{
    int ret;

    ERR_clear_error();
    ret = SSL_do_handshake(ssl);
    return ret == 1 ? 0 : failed(ssl, ret);
}

int least_read(SSL *ssl, void *p, int n)
{
    int ret;

    ERR_clear_error();
    ret = SSL_read(ssl, p, n);
    return ret > 0 ? ret : failed(ssl, ret);
}

int least_write(SSL *ssl, const void *p, int n)
{
    int ret;

    ERR_clear_error();
    ret = SSL_write(ssl, p, n);
    return ret > 0 ? ret : failed(ssl, ret);
}

void least_close(SSL *ssl)
{
    ERR_clear_error();
    SSL_shutdown(ssl);
    SSL_free(ssl); /* -1 */
}

int least_keep(SSL *ssl, SSL_SESSION **kept)
{
    SSL_SESSION_free(*kept);       /* -1 */
    *kept = SSL_get1_session(ssl); /* returns +1, which *kept owns */
    return SSL_session_reused(ssl);
}
