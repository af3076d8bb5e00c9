#include "private.h"

#include <openssl/ocsp.h>

/* The OCSP response that a server sends with its certificate, for a client that asks. From 3.6 on
 * libssl parses it and ends the handshake if it cannot; an empty one it takes for a lack of
 * memory, in all versions. So the message is looked at before libssl does. */

/* For a client: ask in each ClientHello. */
int sessl_ctx_ask_for_staple(SSL_CTX *ctx)
{
    return SSL_CTX_set_tlsext_status_type(ctx, TLSEXT_STATUSTYPE_ocsp) > 0;
}

/* Whether the first reason is a lack of memory; what is malformed gets another. */
static int lacks_memory(void)
{
    unsigned long first = ERR_peek_error();

    return first == 0 || ERR_GET_REASON(first) == ERR_R_MALLOC_FAILURE;
}

/* Without memory 3.5 may give any reason: so what cannot be parsed is tried again. */
static int is_response(sessl_conn *c, const uint8_t *der, size_t n)
{
    const unsigned char *p = der;
    OCSP_RESPONSE *r = d2i_OCSP_RESPONSE(NULL, &p, (long)n); /* returns +1; n is below 2^24 */
    int ok;

    if (r == NULL) {
        p = der;
        r = d2i_OCSP_RESPONSE(NULL, &p, (long)n); /* returns +1 */
    }
    ok = r != NULL && p == der + n;
    if (r == NULL && lacks_memory())
        c->alloc_failed = 1;
    OCSP_RESPONSE_free(r);
    return ok;
}

/* CertificateStatus (RFC 6066, section 8), which in TLS 1.3 is in an extension. */
static int is_status(sessl_conn *c, sessl_reader *r)
{
    uint64_t type = sessl_take_number(r, 1);
    size_t n;
    const uint8_t *p = sessl_take_counted(r, 3, &n);

    return !r->bad && type == TLSEXT_STATUSTYPE_ocsp && r->p == r->end && n > 0 && is_response(c, p, n);
}

static sessl_reader part(sessl_reader *r, int width)
{
    sessl_reader in = {0};
    size_t n;

    in.p = sessl_take_counted(r, width, &n);
    in.bad = r->bad;
    in.end = r->bad ? in.p : in.p + n;
    return in;
}

/* Whether all the staples in a Certificate message of TLS 1.3 are such. */
static int staples_fit(sessl_conn *c, sessl_reader *r)
{
    size_t n;
    sessl_reader list, exts, ext;

    sessl_take_counted(r, 1, &n); /* a request's context */
    list = part(r, 3);
    while (!list.bad && list.p < list.end) {
        sessl_take_counted(&list, 3, &n);
        exts = part(&list, 2);
        while (!exts.bad && exts.p < exts.end) {
            uint64_t type = sessl_take_number(&exts, 2);

            ext = part(&exts, 2);
            if (type == TLSEXT_TYPE_status_request && !is_status(c, &ext))
                return 0;
        }
    }
    return 1;
}

/* The same in one that is compressed. What cannot be decompressed is libssl's to refuse. */
static int packed_staples_fit(sessl_conn *c, SSL *ssl, const sessl_reader *r)
{
    size_t n = (size_t)(r->end - r->p), max = (size_t)SSL_get_max_cert_list(ssl);
    sessl_buf b = {0};
    sessl_reader message = {0};
    int ok = 1;

    if (sessl_cert_unpack(r->p, n, max, &b)) {
        message.p = b.p + b.head;
        message.end = b.p + b.tail;
        ok = staples_fit(c, &message);
    }
    sessl_buf_free(&b);
    return ok;
}

/* SSL_set_msg_callback: called before libssl looks at a message. Nothing else is, in 1.1.1w, 3.0, 3.5,
 * 3.6 and 4.0: SSL_CTX_set_tlsext_status_cb of a client is called with what libssl has accepted. */
static void look(int write_p, int version, int type, const void *p, size_t n, SSL *ssl, void *arg)
{
    sessl_conn *c = arg;
    const uint8_t *message = p;
    sessl_reader r = {0};

    (void)version;
    if (write_p || type != SSL3_RT_HANDSHAKE || n < SSL3_HM_HEADER_LENGTH)
        return;
    r.p = message + SSL3_HM_HEADER_LENGTH;
    r.end = message + n;
    ERR_set_mark();
    if (message[0] == SSL3_MT_CERTIFICATE_STATUS)
        c->bad_staple = !is_status(c, &r);
    else if (message[0] == SSL3_MT_CERTIFICATE && SSL_version(ssl) == TLS1_3_VERSION)
        c->bad_staple = !staples_fit(c, &r);
    else if (message[0] == SSL3_MT_COMPRESSED_CERTIFICATE)
        c->bad_staple = !packed_staples_fit(c, ssl, &r);
    ERR_pop_to_mark();
}

/* For each SSL of a client. */
void sessl_conn_watch_staple(sessl_conn *c)
{
    if (c->server || SSL_get_tlsext_status_type(c->ssl) != TLSEXT_STATUSTYPE_ocsp)
        return;
    SSL_set_msg_callback(c->ssl, look);
    SSL_set_msg_callback_arg(c->ssl, c);
}

/* Whether the step that has failed was about a staple that cannot be parsed. */
int sessl_conn_staple_failed(const sessl_conn *c)
{
    OSSL_HANDSHAKE_STATE state;

    if (!c->bad_staple) /* it may be a server's that has no SSL */
        return 0;
    state = SSL_get_state(c->ssl);
#if SESSL_HAVE_CERT_COMPRESSION
    if (state == TLS_ST_CR_COMP_CERT)
        return 1;
#endif
    return state == TLS_ST_CR_CERT_STATUS || state == TLS_ST_CR_CERT;
}

/* The staple that a server sent, borrowed from the SSL; 0 for none, and for what is not one. */
size_t sessl_conn_staple(sessl_conn *c, const uint8_t **p)
{
    unsigned char *staple = NULL;
    long n = c->server || c->bad_staple ? 0 : SSL_get_tlsext_status_ocsp_resp(c->ssl, &staple);

    *p = staple;
    return n <= 0 || staple == NULL ? 0 : (size_t)n;
}

/* The handshake is over: libssl would keep the staple as long as the connection. */
void sessl_conn_drop_staple(sessl_conn *c)
{
    SSL_set_tlsext_status_ocsp_resp(c->ssl, NULL, 0); /* frees it */
}
