#include "cshim.h"

#include <limits.h>
#include <openssl/ocsp.h>
#include <pthread.h>
#include <stdatomic.h>

/* What goes with a certificate that this side shows, in the ex_data of its leaf, which all
 * SSL_CTXs and SSLs that show it share: so it can be replaced for all of them at once. */
typedef struct companion {
    uint64_t number; /* by which Go knows it */
    pthread_mutex_t lock;
    uint8_t *staple; /* an OCSP response in DER, or NULL */
    size_t n;
} companion;

static companion *companion_of(X509 *leaf)
{
    return leaf == NULL ? NULL : X509_get_ex_data(leaf, sessl_leaf_slot);
}

static atomic_uint_fast64_t numbers;

/* Called by the last X509_free of a leaf: nobody uses it any more. */
void sessl_companion_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    companion *m = ptr;

    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    if (m == NULL)
        return;
    pthread_mutex_destroy(&m->lock);
    OPENSSL_free(m->staple);
    OPENSSL_free(m);
}

/* Gives c the names in its leaf, and a new leaf its companion, which is freed with it; 0 without
 * memory. */
int sessl_cert_attach(sessl_cert *c, sessl_err *e)
{
    companion *m;

    ERR_set_mark();
    c->names = X509_get_ext_d2i(c->leaf, NID_subject_alt_name, NULL, NULL); /* ours */
    ERR_pop_to_mark();
    if (companion_of(c->leaf) != NULL)
        return 1; /* a store may keep its objects */
    m = OPENSSL_zalloc(sizeof(*m));
    if (m != NULL && pthread_mutex_init(&m->lock, NULL) == 0) {
        m->number = atomic_fetch_add(&numbers, 1) + 1;
        if (X509_set_ex_data(c->leaf, sessl_leaf_slot, m))
            return 1;
        pthread_mutex_destroy(&m->lock);
    }
    OPENSSL_free(m);
    e->no_memory = 1;
    return 0;
}

/* A number that is never reused. */
uint64_t sessl_cert_number(const sessl_cert *c)
{
    return companion_of(c->leaf)->number;
}

/* The number of the certificate that this side has sent; 0 for none. Where libssl sends one
 * it has chosen a signature scheme for it, whether or not something gets signed. */
uint64_t sessl_conn_sent_cert(sessl_conn *c)
{
    companion *m;
    int nid;

    if (SSL_session_reused(c->ssl) || !SSL_get_signature_nid(c->ssl, &nid))
        return 0;
    m = companion_of(SSL_get_certificate(c->ssl)); /* borrowed */
    return m == NULL ? 0 : m->number;
}

/* Whether one of the answers in b is about leaf, by the serial number. */
static int is_about(OCSP_BASICRESP *b, const X509 *leaf)
{
    const ASN1_INTEGER *want = X509_get0_serialNumber(leaf);
    int i, n = OCSP_resp_count(b);

    for (i = 0; i < n; i++) {
        ASN1_INTEGER *serial = NULL; /* borrowed from b */
        OCSP_CERTID *id = (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(OCSP_resp_get0(b, i));

        if (OCSP_id_get0_info(NULL, NULL, NULL, &serial, id) && ASN1_INTEGER_cmp(serial, want) == 0)
            return 1;
    }
    return 0;
}

/* Looks into r as far as one can without the issuer's key. */
static int look_into(OCSP_RESPONSE *r, const X509 *leaf, int *why, sessl_err *e)
{
    OCSP_BASICRESP *b;
    int about;

    if (OCSP_response_status(r) != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
        *why = SESSL_STAPLE_FAILED;
        return 0;
    }
    b = OCSP_response_get1_basic(r); /* returns +1 */
    if (b == NULL) {
        e->no_memory |= ERR_peek_error() == 0; /* what is malformed gets an error */
        *why = SESSL_STAPLE_MALFORMED;
        return 0;
    }
    about = is_about(b, leaf);
    OCSP_BASICRESP_free(b);
    if (!about)
        *why = SESSL_STAPLE_OTHER;
    return about;
}

static int check_staple(const X509 *leaf, const uint8_t *der, size_t n, int *why, sessl_err *e)
{
    const unsigned char *p = der;
    OCSP_RESPONSE *r = n > LONG_MAX ? NULL : d2i_OCSP_RESPONSE(NULL, &p, (long)n); /* returns +1 */
    int ok;

    if (r == NULL) {
        e->no_memory |= ERR_peek_error() == 0;
        *why = SESSL_STAPLE_MALFORMED;
        return 0;
    }
    if (p != der + n) {
        *why = SESSL_STAPLE_TRAILING;
        ok = 0;
    } else {
        ok = look_into(r, leaf, why, e);
    }
    OCSP_RESPONSE_free(r);
    return ok;
}

/* From now on der is sent with the certificate, by whichever SSL_CTX or SSL shows it; no
 * bytes end that. Only an answer about this leaf is taken, and on failure all stays. */
int sessl_cert_set_staple(sessl_cert *c, const uint8_t *der, size_t n, int *why, sessl_err *e)
{
    companion *m = companion_of(c->leaf);
    uint8_t *copy = NULL, *old;

    sessl_err_begin(e);
    *why = 0;
    if (n > 0 && !check_staple(c->leaf, der, n, why, e)) {
        sessl_err_take(e);
        return 0;
    }
    if (n > 0 && (copy = OPENSSL_memdup(der, n)) == NULL) {
        e->no_memory = 1;
        sessl_err_take(e);
        return 0;
    }
    pthread_mutex_lock(&m->lock);
    old = m->staple;
    m->staple = copy;
    m->n = n;
    pthread_mutex_unlock(&m->lock);
    OPENSSL_free(old);
    sessl_err_take(e);
    return 1;
}

/* A copy of what goes with leaf; NULL for nothing, and then *failed says if for want of memory. */
static uint8_t *copy_staple(X509 *leaf, size_t *n, int *failed)
{
    companion *m = companion_of(leaf);
    uint8_t *copy = NULL;

    *failed = 0;
    if (m == NULL)
        return NULL;
    pthread_mutex_lock(&m->lock);
    *n = m->n;
    if (m->staple != NULL) {
        copy = OPENSSL_memdup(m->staple, m->n);
        *failed = copy == NULL;
    }
    pthread_mutex_unlock(&m->lock);
    return copy;
}

/* SSL_CTX_set_tlsext_status_cb of a server: the client asks, and the certificate has been
 * chosen, whoever chose it. */
static int staple_cb(SSL *ssl, void *arg)
{
    sessl_conn *c = SSL_get_ex_data(ssl, sessl_ssl_slot);
    size_t n = 0;
    int failed;
    uint8_t *copy = copy_staple(SSL_get_certificate(ssl), &n, &failed); /* the X509 is borrowed */

    (void)arg;
    if (copy != NULL && SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)n)) /* takes copy over */
        return SSL_TLSEXT_ERR_OK;
    OPENSSL_free(copy);
    if (!failed && copy == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    if (c != NULL)
        c->alloc_failed = 1;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* A client asks for a staple in every ClientHello, a server sends what it has. */
int sessl_ctx_set_stapling(SSL_CTX *ctx, int server)
{
    if (server)
        return SSL_CTX_set_tlsext_status_cb(ctx, staple_cb) > 0;
    return SSL_CTX_set_tlsext_status_type(ctx, TLSEXT_STATUSTYPE_ocsp) > 0;
}

/* The staple that a server sent, borrowed from the SSL; 0 for none. */
size_t sessl_conn_staple(sessl_conn *c, const uint8_t **p)
{
    unsigned char *staple = NULL;
    long n = c->server ? 0 : SSL_get_tlsext_status_ocsp_resp(c->ssl, &staple);

    *p = staple;
    return n <= 0 || staple == NULL ? 0 : (size_t)n;
}

/* The handshake is over: libssl would keep the staple as long as the connection. */
void sessl_conn_drop_staple(sessl_conn *c)
{
    SSL_set_tlsext_status_ocsp_resp(c->ssl, NULL, 0); /* frees it */
}
