#include "private.h"

#include <limits.h>
#include <openssl/ocsp.h>
#include <pthread.h>

/* What goes with a certificate that this side shows, in the ex_data of its leaf, which all
 * SSL_CTXs and SSLs that show it share: so it can be replaced for all of them at once. */
typedef struct companion {
    uint64_t number; /* by which Go knows it */
    pthread_mutex_t lock;
    uint8_t *staple; /* an OCSP response in DER, or NULL */
    size_t n;
    int64_t until; /* when it is to be replaced, in Unix seconds; 0: it does not say */
} companion;

int sessl_leaf_slot = -1;

static companion *companion_of(X509 *leaf)
{
    return leaf == NULL ? NULL : X509_get_ex_data(leaf, sessl_leaf_slot);
}

static atomic_uint_fast64_t numbers;

/* Called by the last X509_free of a leaf: it is not used any more. */
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

/* Gives leaf its companion; 0 without memory. */
static int new_companion(X509 *leaf)
{
    companion *m = OPENSSL_zalloc(sizeof(*m));

    if (m != NULL && pthread_mutex_init(&m->lock, NULL) == 0) {
        m->number = atomic_fetch_add(&numbers, 1) + 1;
        if (X509_set_ex_data(leaf, sessl_leaf_slot, m)) /* freed with leaf */
            return 1;
        pthread_mutex_destroy(&m->lock);
    }
    OPENSSL_free(m);
    return 0;
}

/* Gives c the names in its leaf, and a new leaf its companion, which is freed with it; 0 without
 * memory. A store may keep its objects and give one of them to several threads, of which one
 * makes the companion. */
int sessl_cert_attach(sessl_cert *c, sessl_err *e)
{
    static pthread_mutex_t attaching = PTHREAD_MUTEX_INITIALIZER;
    int ok;

    ERR_set_mark();
    c->names = X509_get_ext_d2i(c->leaf, NID_subject_alt_name, NULL, NULL); /* ours */
    ERR_pop_to_mark();
    pthread_mutex_lock(&attaching);
    ok = (companion_of(c->leaf) != NULL || new_companion(c->leaf)) && sessl_leaf_may_pack(c->leaf);
    pthread_mutex_unlock(&attaching);
    if (!ok)
        e->no_memory = 1;
    return ok;
}

/* A number that is never reused. */
uint64_t sessl_cert_number(const sessl_cert *c)
{
    return companion_of(c->leaf)->number;
}

/* The number of the certificate that this side has sent, if it was to send one; 0 for none.
 * SSL_get_certificate has one also where none was sent, and 1.1.1w, 3.0, 3.5, 3.6 and 4.0 have no function
 * that tells. But where libssl sends one it has chosen a signature scheme for it, whether or not something
 * gets signed. */
uint64_t sessl_conn_answer_cert(sessl_conn *c)
{
    companion *m;
    int nid;

    if (!SSL_get_signature_nid(c->ssl, &nid))
        return 0;
    m = companion_of(SSL_get_certificate(c->ssl)); /* borrowed */
    return m == NULL ? 0 : m->number;
}

/* The same for the handshake: a resumption sends none. */
uint64_t sessl_conn_sent_cert(sessl_conn *c)
{
    return SSL_session_reused(c->ssl) ? 0 : sessl_conn_answer_cert(c);
}

static int is_about(OCSP_SINGLERESP *one, const X509 *leaf)
{
    ASN1_INTEGER *serial = NULL; /* borrowed from one */
    OCSP_CERTID *id = (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(one);

    return OCSP_id_get0_info(NULL, NULL, NULL, &serial, id)
        && ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) == 0;
}

/* When one is to be replaced by a newer answer; 0 if it does not say. */
static int64_t next_update(OCSP_SINGLERESP *one)
{
    ASN1_GENERALIZEDTIME *next = NULL; /* borrowed from one */
    int days, seconds;

    OCSP_single_get0_status(one, NULL, NULL, NULL, &next);
    if (next == NULL)
        return 0;
    if (!ASN1_TIME_diff(&days, &seconds, NULL, next))
        return 1;
    return sessl_now() + days * (int64_t)86400 + seconds;
}

/* Whether one of the answers in b is about leaf, by the serial number, and until when the first
 * of those is good. */
static int has_answer(OCSP_BASICRESP *b, const X509 *leaf, int64_t *until)
{
    int i, found = 0, n = OCSP_resp_count(b);

    *until = 0;
    for (i = 0; i < n; i++) {
        OCSP_SINGLERESP *one = OCSP_resp_get0(b, i); /* borrowed */
        int64_t at;

        if (!is_about(one, leaf))
            continue;
        found = 1;
        at = next_update(one);
        if (at != 0 && (*until == 0 || at < *until))
            *until = at;
    }
    return found;
}

/* Looks into r as far as one can without the issuer's key. */
static int look_into(OCSP_RESPONSE *r, const X509 *leaf, int64_t *until, int *why, sessl_err *e)
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
    about = has_answer(b, leaf, until);
    OCSP_BASICRESP_free(b);
    if (!about)
        *why = SESSL_STAPLE_OTHER;
    return about;
}

static int check_staple(const X509 *leaf, const uint8_t *der, size_t n, int64_t *until, int *why,
                        sessl_err *e)
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
        ok = look_into(r, leaf, until, why, e);
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
    int64_t until = 0;

    sessl_err_begin(e);
    *why = 0;
    if (n > 0 && !check_staple(c->leaf, der, n, &until, why, e)) {
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
    m->until = until;
    pthread_mutex_unlock(&m->lock);
    OPENSSL_free(old);
    sessl_err_take(e);
    return 1;
}

/* A copy of what goes with leaf; NULL for nothing, and then *failed says if for want of memory.
 * What has expired would only have clients refuse the certificate (RFC 6960, 3.2). */
static uint8_t *copy_staple(X509 *leaf, size_t *n, int *failed)
{
    companion *m = companion_of(leaf);
    uint8_t *copy = NULL;

    *failed = 0;
    if (m == NULL)
        return NULL;
    pthread_mutex_lock(&m->lock);
    *n = m->n;
    if (m->staple != NULL && (m->until == 0 || sessl_now() < m->until)) {
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
    if (copy != NULL && (c == NULL || sessl_conn_pack_stapled(c, ssl, copy, n))
        && SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)n)) /* takes copy over */
        return SSL_TLSEXT_ERR_OK;
    OPENSSL_free(copy);
    if (!failed && copy == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    if (c != NULL)
        c->alloc_failed = 1;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int sessl_ctx_set_stapling(SSL_CTX *ctx)
{
    return SSL_CTX_set_tlsext_status_cb(ctx, staple_cb) > 0;
}
