#include "contender.h"

/* Read-ahead saves half of the receives. A chain that is the certificate alone need not be built from
 * the store for each connection. Writes are gathered by the buffer in conn. */
static void tune(SSL_CTX *ctx)
{
    if (!opt.tuned)
        return;
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, opt.form == BULK ? 64 << 10 : 0);
    SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
}

static void path(char *buf, size_t size, const char *name)
{
    snprintf(buf, size, "%s/%s", opt.certs, name);
}

static void use_cert(SSL_CTX *ctx, const char *name)
{
    char cert[512], key[512];
    snprintf(cert, sizeof(cert), "%s/%s.pem", opt.certs, name);
    snprintf(key, sizeof(key), "%s/%s.key", opt.certs, name);
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1
        || SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        die(cert);
}

/* Both ends have one version, one suite, and one group for the key exchange; in TLS 1.2 the list is also
 * that of the curves of certificates. Without it OpenSSL 3.5 and later would offer a hybrid one. */
static SSL_CTX *new_ctx(const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, opt.version) != 1
        || SSL_CTX_set_max_proto_version(ctx, opt.version) != 1
        || SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") != 1
        || SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256") != 1
        || SSL_CTX_set1_groups_list(ctx, "X25519:P-256") != 1)
        die("SSL_CTX");
    tune(ctx);
    return ctx;
}

static void trust(SSL_CTX *ctx, int mode)
{
    char ca[512];
    path(ca, sizeof(ca), "ca.pem");
    if (SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1)
        die(ca);
    SSL_CTX_set_verify(ctx, mode, NULL);
}

/* Without TLS there is no SSL_CTX, and what is an SSL elsewhere is the socket plus one. */
static int without_tls(void)
{
    return opt.version == 0;
}

static SSL *bare_conn(int fd)
{
    return (SSL *)(intptr_t)(fd + 1);
}

static int socket_of(const SSL *ssl)
{
    return without_tls() ? (int)(intptr_t)ssl - 1 : SSL_get_fd(ssl);
}

SSL_CTX *server_ctx(void)
{
    SSL_CTX *ctx;
    if (without_tls())
        return NULL;
    ctx = new_ctx(TLS_server_method());
    use_cert(ctx, strcmp(opt.key, "rsa2048") == 0 ? "server-rsa" : "server-ecdsa");
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"contender", 9);
    if (opt.form == ID || opt.form == TABLE)
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    if (opt.mutual) {
        char ca[512];
        path(ca, sizeof(ca), "ca.pem");
        trust(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
        SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(ca));
    }
    return ctx;
}

SSL_CTX *client_ctx(void)
{
    SSL_CTX *ctx;
    if (without_tls())
        return NULL;
    ctx = new_ctx(TLS_client_method());
    trust(ctx, SSL_VERIFY_PEER);
    if (opt.mutual)
        use_cert(ctx, "client");
    return ctx;
}

/* A tuned program gathers what it writes until it calls flush; libssl flushes at the end of its own flights. */
static SSL *conn(SSL_CTX *ctx, int fd)
{
    SSL *ssl = SSL_new(ctx);
    BIO *bio, *buffer;
    if (ssl == NULL)
        die("SSL_new");
    if (!opt.tuned) {
        if (SSL_set_fd(ssl, fd) != 1)
            die("SSL_set_fd");
        return ssl;
    }
    bio = BIO_new_socket(fd, BIO_NOCLOSE);
    buffer = BIO_new(BIO_f_buffer());
    if (bio == NULL || buffer == NULL
        || (opt.form == BULK && BIO_set_write_buffer_size(buffer, 72 << 10) != 1))
        die("BIO");
    BIO_up_ref(bio); /* one reference for each direction, both transferred */
    SSL_set0_rbio(ssl, bio);
    SSL_set0_wbio(ssl, BIO_push(buffer, bio));
    return ssl;
}

SSL *server_conn(SSL_CTX *ctx, int fd)
{
    SSL *ssl;
    if (without_tls())
        return bare_conn(fd);
    ssl = conn(ctx, fd);
    SSL_set_accept_state(ssl);
    return ssl;
}

SSL *client_conn(SSL_CTX *ctx, int fd, SSL_SESSION *session)
{
    SSL *ssl;
    if (without_tls())
        return bare_conn(fd);
    ssl = conn(ctx, fd);
    SSL_set_connect_state(ssl);
    if (SSL_set_tlsext_host_name(ssl, SERVER_NAME) != 1 || SSL_set1_host(ssl, SERVER_NAME) != 1)
        die("name");
    if (session != NULL && SSL_set_session(ssl, session) != 1) /* takes a reference of its own */
        die("SSL_set_session");
    return ssl;
}

/* After data have been read: TLS 1.3 sends tickets before them. In TLS 1.2 the new-session callback would not
 * see that a server has replaced the ticket of a resumed session. */
void keep_session(SSL *ssl, SSL_SESSION **kept)
{
    if (without_tls())
        return;
    SSL_SESSION_free(*kept);
    *kept = SSL_get1_session(ssl); /* +1, owned by *kept */
}

void flush(SSL *ssl)
{
    if (opt.tuned && !without_tls() && BIO_flush(SSL_get_wbio(ssl)) != 1)
        die("flush");
}

void put(SSL *ssl, const void *data, int n)
{
    if ((without_tls() ? (int)write(socket_of(ssl), data, n) : SSL_write(ssl, data, n)) != n)
        die("write");
}

void get(SSL *ssl, void *data, int n)
{
    for (int k; n > 0; n -= k, data = (char *)data + k)
        if ((k = without_tls() ? (int)read(socket_of(ssl), data, n) : SSL_read(ssl, data, n)) <= 0)
            die("read");
}

void close_conn(SSL *ssl)
{
    int fd = socket_of(ssl);
    if (!without_tls()) {
        ERR_clear_error();
        SSL_shutdown(ssl);
        if (opt.tuned)
            (void)BIO_flush(SSL_get_wbio(ssl)); /* the peer may be gone */
        SSL_free(ssl);
    }
    close(fd);
}

int reused(SSL *ssl)
{
    return !without_tls() && SSL_session_reused(ssl);
}

void check_conn(SSL *ssl)
{
    int group = NID_X25519;
    if (without_tls())
        return;
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
    group = SSL_get_negotiated_group(ssl);
#endif
    if (SSL_version(ssl) != opt.version || strstr(SSL_get_cipher_name(ssl), "128") == NULL
        || SSL_get_verify_result(ssl) != X509_V_OK || (group != NID_X25519 && group != NID_undef)) {
        fprintf(stderr, "%s, %s, group %d\n", SSL_get_version(ssl), SSL_get_cipher_name(ssl), group);
        die("not what was to be measured");
    }
}
