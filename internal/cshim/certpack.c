#include "private.h"

#include <openssl/comp.h>
#include <pthread.h>

/* A server's certificates, compressed. libssl sends what it was given, and compresses nothing in a
 * handshake; a certificate that is chosen in the handshake would go as it is, and what libssl compresses
 * has no OCSP response in it. So the messages are made here, each once, and given to the SSL when its
 * certificate is settled. */

int sessl_packed_slot = -1;

static uint64_t compressions;

/* How often this process has compressed a message, for tests. */
uint64_t sessl_compressions(void)
{
    return __atomic_load_n(&compressions, __ATOMIC_RELAXED);
}

#if SESSL_HAVE_CERT_COMPRESSION && !defined(OPENSSL_NO_COMP_ALG)

#define ALGS TLSEXT_comp_cert_limit /* 0 is none */

typedef struct form {
    uint8_t *data; /* NULL for none yet */
    size_t n, whole;
} form;

/* In the ex_data of a leaf, which all SSLs that show it share. */
typedef struct packed {
    pthread_mutex_t lock;
    STACK_OF(X509) *chain;          /* what the forms are for: one reference each, or NULL */
    sessl_buf staple;               /* and the second ones */
    form bare[ALGS], stapled[ALGS]; /* by algorithm */
} packed;

static void drop(form *forms)
{
    int i;

    for (i = 0; i < ALGS; i++)
        OPENSSL_free(forms[i].data);
    memset(forms, 0, ALGS * sizeof(forms[0]));
}

/* Called by the last X509_free of a leaf. */
void sessl_packed_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    packed *p = ptr;

    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    if (p == NULL)
        return;
    pthread_mutex_destroy(&p->lock);
    sk_X509_pop_free(p->chain, X509_free);
    sessl_buf_free(&p->staple);
    drop(p->bare);
    drop(p->stapled);
    OPENSSL_free(p);
}

/* Gives a new leaf the place for what is made of it; 0 without memory. */
int sessl_leaf_may_pack(X509 *leaf)
{
    packed *p;

    if (X509_get_ex_data(leaf, sessl_packed_slot) != NULL)
        return 1;
    p = OPENSSL_zalloc(sizeof(*p));
    if (p != NULL && pthread_mutex_init(&p->lock, NULL) == 0) {
        if (X509_set_ex_data(leaf, sessl_packed_slot, p)) /* freed with leaf */
            return 1;
        pthread_mutex_destroy(&p->lock);
    }
    OPENSSL_free(p);
    return 0;
}

static int same_chain(const STACK_OF(X509) *a, const STACK_OF(X509) *b)
{
    int i, n = a == NULL ? 0 : sk_X509_num(a);

    if (n != (b == NULL ? 0 : sk_X509_num(b)))
        return 0;
    for (i = 0; i < n; i++)
        if (sk_X509_value(a, i) != sk_X509_value(b, i))
            return 0;
    return 1;
}

/* The forms with that chain and staple, which may be NULL. Those for another are dropped. The lock is held;
 * NULL without memory. */
static form *forms_with(packed *p, STACK_OF(X509) *chain, const uint8_t *staple, size_t n)
{
    if (!same_chain(p->chain, chain)) {
        drop(p->bare);
        drop(p->stapled);
        sk_X509_pop_free(p->chain, X509_free);
        p->chain = chain == NULL ? NULL : X509_chain_up_ref(chain); /* +1 each */
        if (p->chain == NULL && chain != NULL)
            return NULL;
    }
    if (staple == NULL)
        return p->bare;
    if (p->staple.tail - p->staple.head != n || memcmp(p->staple.p + p->staple.head, staple, n) != 0) {
        drop(p->stapled);
        sessl_buf_free(&p->staple);
        if (!sessl_buf_append(&p->staple, staple, n))
            return NULL;
    }
    return p->stapled;
}

/* One certificate in the message, with the extensions that go with it. */
static int put_cert(sessl_buf *b, X509 *x, const uint8_t *staple, size_t n)
{
    unsigned char *der = NULL;
    int len = i2d_X509(x, &der); /* allocates der */
    int ok = len > 0 && sessl_buf_counted(b, der, (size_t)len, 3);

    OPENSSL_free(der);
    if (staple == NULL)
        return ok && sessl_buf_number(b, 0, 2);
    return ok && sessl_buf_number(b, n + 8, 2) && sessl_buf_number(b, TLSEXT_TYPE_status_request, 2)
        && sessl_buf_number(b, n + 4, 2) && sessl_buf_number(b, TLSEXT_STATUSTYPE_ocsp, 1)
        && sessl_buf_counted(b, staple, n, 3);
}

/* The body of a server's Certificate message (RFC 8446, section 4.4.2). */
static int put_message(sessl_buf *b, X509 *leaf, const STACK_OF(X509) *chain, const uint8_t *staple, size_t n)
{
    sessl_buf list = {0};
    int i, ok = put_cert(&list, leaf, staple, n);

    for (i = 0; chain != NULL && i < sk_X509_num(chain) && ok; i++)
        ok = put_cert(&list, sk_X509_value(chain, i), NULL, 0);
    ok = ok && list.tail - list.head < 1 << 24 && sessl_buf_number(b, 0, 1)
        && sessl_buf_counted(b, list.p + list.head, list.tail - list.head, 3);
    sessl_buf_free(&list);
    return ok;
}

static COMP_METHOD *method_of(int alg)
{
    switch (alg) {
    case TLSEXT_comp_cert_zlib: return COMP_zlib_oneshot();
    case TLSEXT_comp_cert_brotli: return COMP_brotli_oneshot();
    case TLSEXT_comp_cert_zstd: return COMP_zstd_oneshot();
    }
    return NULL;
}

/* Makes f of a message. */
static int compress(form *f, int alg, const sessl_buf *message)
{
    size_t whole = message->tail - message->head, room = whole + whole / 256 + 128;
    COMP_CTX *z = COMP_CTX_new(method_of(alg));
    uint8_t *out = z == NULL ? NULL : OPENSSL_malloc(room);
    int n = 0;

    if (out != NULL)
        n = COMP_compress_block(z, out, (int)room, message->p + message->head, (int)whole);
    if (n > 0 && (f->data = OPENSSL_memdup(out, (size_t)n)) != NULL) {
        f->n = (size_t)n;
        f->whole = whole;
        __atomic_fetch_add(&compressions, 1, __ATOMIC_RELAXED);
    }
    OPENSSL_free(out);
    COMP_CTX_free(z);
    return f->data != NULL;
}

/* Makes those of forms that are not there yet. The lock is held. */
static int make(form *forms, unsigned algs, X509 *leaf, const STACK_OF(X509) *chain, const uint8_t *staple,
                size_t n)
{
    sessl_buf message = {0};
    int alg, ok = 1;

    for (alg = 1; alg < ALGS && ok; alg++)
        if ((algs >> alg & 1) != 0 && forms[alg].data == NULL)
            ok = (message.p != NULL || put_message(&message, leaf, chain, staple, n))
                && compress(&forms[alg], alg, &message);
    sessl_buf_free(&message);
    return ok;
}

/* Gives ssl, unless it is NULL, the forms of a certificate, which is ssl's current one. libssl copies them.
 * What would not be shorter goes as it is; but the forms with a staple replace those without. */
static int give(SSL *ssl, unsigned algs, X509 *leaf, STACK_OF(X509) *chain, const uint8_t *staple, size_t n)
{
    packed *p = X509_get_ex_data(leaf, sessl_packed_slot);
    form *forms;
    int alg, ok;

    if (p == NULL)
        return 1; /* not from here */
    pthread_mutex_lock(&p->lock);
    forms = forms_with(p, chain, staple, n);
    ok = forms != NULL && make(forms, algs, leaf, chain, staple, n);
    for (alg = 1; alg < ALGS && ok && ssl != NULL; alg++) {
        form *f = &forms[alg];

        if ((algs >> alg & 1) != 0 && (f->n < f->whole || staple != NULL))
            ok = SSL_set1_compressed_cert(ssl, alg, f->data, f->n, f->whole) == 1;
    }
    pthread_mutex_unlock(&p->lock);
    return ok;
}

static unsigned algs_of(const SSL_CTX *ctx)
{
    const sessl_policy *policy = sessl_ctx_policy(ctx);

    return policy == NULL ? 0 : policy->packs;
}

/* Ahead of time, for a certificate that a server's Ctx has or will have. What cannot be made now is made
 * later, or goes as it is. */
void sessl_ctx_pack(const SSL_CTX *ctx, const sessl_cert *c)
{
    unsigned algs = algs_of(ctx);

    if (algs == 0)
        return;
    ERR_set_mark();
    give(NULL, algs, c->leaf, c->chain, NULL, 0);
    ERR_pop_to_mark();
}

/* By which a client wants the server's certificate compressed, as far as the server does that. */
static unsigned wanted(const sessl_conn *c, SSL *ssl)
{
    if (!c->server || (c->offers & SESSL_OFFERS_UNPACKING) == 0 || SSL_version(ssl) < TLS1_3_VERSION)
        return 0;
    return algs_of(SSL_get_SSL_CTX(ssl));
}

/* A server's certificates are settled, and libssl has yet to choose among those for several types of key. */
void sessl_conn_pack(const sessl_conn *c, SSL *ssl)
{
    unsigned algs = wanted(c, ssl);
    long more;

    if (algs == 0)
        return;
    ERR_set_mark();
    for (more = SSL_set_current_cert(ssl, SSL_CERT_SET_FIRST); more == 1;
         more = SSL_set_current_cert(ssl, SSL_CERT_SET_NEXT)) {
        STACK_OF(X509) *chain = NULL;

        SSL_get0_chain_certs(ssl, &chain); /* borrowed, as the leaf is */
        give(ssl, algs, SSL_get_certificate(ssl), chain, NULL, 0);
    }
    ERR_pop_to_mark();
}

/* The certificate has been chosen, and is to be sent with a staple; 0 without memory. */
int sessl_conn_pack_stapled(const sessl_conn *c, SSL *ssl, const uint8_t *staple, size_t n)
{
    unsigned algs = wanted(c, ssl);
    STACK_OF(X509) *chain = NULL;

    if (algs == 0)
        return 1;
    SSL_get0_chain_certs(ssl, &chain); /* borrowed */
    return give(ssl, algs, SSL_get_certificate(ssl), chain, staple, n);
}

/* The body of a CompressedCertificate message, decompressed into b; 0 where it takes more than max bytes,
 * or is none. */
int sessl_cert_unpack(const uint8_t *p, size_t n, size_t max, sessl_buf *b)
{
    sessl_reader r = {p, p + n, 0};
    int alg = (int)sessl_take_number(&r, 2);
    size_t whole = (size_t)sessl_take_number(&r, 3), len;
    const uint8_t *data = sessl_take_counted(&r, 3, &len);
    COMP_CTX *z;
    int got;

    if (data == NULL || r.p != r.end || whole == 0 || whole > max || !sessl_buf_reserve(b, whole))
        return 0;
    z = COMP_CTX_new(method_of(alg));
    got = z == NULL ? -1 : COMP_expand_block(z, b->p, (int)whole, (unsigned char *)data, (int)len);
    COMP_CTX_free(z);
    b->tail = got == (int)whole ? whole : 0;
    return b->tail > 0;
}

#else

void sessl_packed_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ptr, (void)ad, (void)idx, (void)argl, (void)argp;
}

int sessl_leaf_may_pack(X509 *leaf)
{
    (void)leaf;
    return 1;
}

void sessl_ctx_pack(const SSL_CTX *ctx, const sessl_cert *c)
{
    (void)ctx, (void)c;
}

void sessl_conn_pack(const sessl_conn *c, SSL *ssl)
{
    (void)c, (void)ssl;
}

int sessl_conn_pack_stapled(const sessl_conn *c, SSL *ssl, const uint8_t *staple, size_t n)
{
    (void)c, (void)ssl, (void)staple, (void)n;
    return 1;
}

int sessl_cert_unpack(const uint8_t *p, size_t n, size_t max, sessl_buf *b)
{
    (void)p, (void)n, (void)max, (void)b;
    return 0;
}

#endif
