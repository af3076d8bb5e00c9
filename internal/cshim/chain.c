#include "private.h"

/* The certificates that a client has shown, and the chain that was verified. libssl puts the
 * leaf into a session's encoding and nothing else; so that a resumption by ticket knows what
 * the full handshake knew, the rest goes into the ticket's frame. A root does not: the
 * server that resumes has it, or does not resume. What the root is, its SHA-256 says.
 *
 * In the frame: how many certificates were verified, the leaf and the root among them; those
 * in between; the root's digest; how many were sent besides the leaf, each the number of one
 * of the above or its own DER. */

#define DIGEST 32

/* Appends kind, if it is not negative, and x behind its length. */
static int put_cert(sessl_buf *b, int kind, X509 *x, int width)
{
    uint8_t *der = NULL;
    int n = i2d_X509(x, &der);
    int ok = n > 0 && (kind < 0 || sessl_buf_number(b, (size_t)kind, 1))
        && sessl_buf_counted(b, der, (size_t)n, width);

    OPENSSL_free(der);
    return ok;
}

static int at_most(int n, int limit)
{
    return n < 0 ? 0 : n > limit ? limit : n;
}

/* Borrowed. What the Ctx does not verify is no chain, whatever libssl has built. */
static STACK_OF(X509) *verified_chain(SSL *ssl)
{
    return SSL_get_verify_callback(ssl) == sessl_verify_cb ? SSL_get0_verified_chain(ssl) : NULL;
}

/* How many seconds x is still good for; none if it does not say. */
int64_t sessl_cert_left(const X509 *x)
{
    int days, seconds;

    return ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x)) ? days * (int64_t)86400 + seconds : 0;
}

/* When the first certificate of the chain that was verified on this connection expires, in Unix
 * seconds; 0 without one. */
int64_t sessl_chain_until(SSL *ssl)
{
    STACK_OF(X509) *chain = verified_chain(ssl); /* borrowed */
    int64_t until = 0, at;
    int i;

    for (i = 0; i < sk_X509_num(chain); i++) {
        at = sessl_now() + sessl_cert_left(sk_X509_value(chain, i));
        until = until == 0 || at < until ? at : until;
    }
    return until;
}

/* The client has shown its certificate on this connection, in the handshake or later. */
static int shown_here(SSL *ssl)
{
    return !SSL_session_reused(ssl) || SSL_get0_verified_chain(ssl) != NULL;
}

static int note_stack(sessl_buf *b, int kind, STACK_OF(X509) *chain, int limit)
{
    int i, n = at_most(sk_X509_num(chain), limit);

    for (i = 0; i < n; i++)
        if (!put_cert(b, kind, sk_X509_value(chain, i), 4))
            return 0;
    return 1;
}

static int set_note(SSL_SESSION *s, sessl_buf *b, int ok)
{
    ok = ok && sessl_session_set_note(s, SESSL_CHAIN, b->p + b->head, b->tail - b->head);
    sessl_buf_free(b);
    return ok;
}

/* Leaves with s what the client has shown on this connection, before s can be resumed;
 * in the form that Go gives to the same note. 0 without memory. */
int sessl_chain_shown(SSL *ssl, SSL_SESSION *s)
{
    X509 *leaf = SSL_SESSION_get0_peer(s); /* borrowed, as the rest is */
    sessl_buf b = {0};
    int ok;

    if (leaf == NULL || !shown_here(ssl))
        return 1;
    ok = put_cert(&b, 0, leaf, 4) && note_stack(&b, 0, SSL_get_peer_cert_chain(ssl), SESSL_CHAIN_MAX - 1)
        && note_stack(&b, 1, verified_chain(ssl), SESSL_CHAIN_MAX);
    return set_note(s, &b, ok);
}

static int put_digest(sessl_buf *b, X509 *x)
{
    uint8_t md[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    return X509_digest(x, EVP_sha256(), md, &n) && n == DIGEST && sessl_buf_append(b, md, n);
}

/* The number of x among the n verified certificates, if it has one. */
static int number_of(X509 *x, STACK_OF(X509) *verified, int n)
{
    int i;

    for (i = 1; i < n; i++)
        if (X509_cmp(x, sk_X509_value(verified, i)) == 0)
            return i == n - 1 ? SESSL_CERT_ROOT : i - 1;
    return SESSL_CERT_OTHER;
}

static int put_sent(sessl_buf *b, STACK_OF(X509) *sent, STACK_OF(X509) *verified, int n)
{
    int i, count = at_most(sk_X509_num(sent), SESSL_CHAIN_MAX - 1);

    if (!sessl_buf_number(b, (size_t)count, 1))
        return 0;
    for (i = 0; i < count; i++) {
        X509 *x = sk_X509_value(sent, i);
        int number = number_of(x, verified, n);

        if (number == SESSL_CERT_OTHER ? !put_cert(b, number, x, 3) : !sessl_buf_number(b, (size_t)number, 1))
            return 0;
    }
    return 1;
}

/* Appends what a ticket keeps of the client's certificates. 0: nothing can be kept. */
int sessl_chain_pack(SSL *ssl, SSL_SESSION *s, sessl_buf *b)
{
    STACK_OF(X509) *verified = verified_chain(ssl);
    int i, n = at_most(sk_X509_num(verified), SESSL_CHAIN_MAX);
    sessl_frame f;

    if (!shown_here(ssl)) { /* then it is what the resumed ticket brought, or the cache */
        if (sessl_session_frame(s, &f) && f.chain != NULL)
            return sessl_buf_append(b, f.chain, f.chain_len);
        return sessl_chain_pack_note(s, b);
    }
    if (!sessl_buf_number(b, (size_t)n, 1))
        return 0;
    for (i = 1; i < n - 1; i++)
        if (!put_cert(b, -1, sk_X509_value(verified, i), 3))
            return 0;
    return (n < 2 || put_digest(b, sk_X509_value(verified, n - 1)))
        && put_sent(b, SSL_get_peer_cert_chain(ssl), verified, n);
}

/* Returns +1: the trusted certificate with that digest, the issuer of x; NULL for none. */
static X509 *find_root(SSL_CTX *ctx, X509 *x, const uint8_t *digest)
{
    X509_STORE_CTX *v = X509_STORE_CTX_new();
    STACK_OF(X509) *found = NULL;
    X509 *root = NULL;
    uint8_t md[EVP_MAX_MD_SIZE];
    unsigned n;
    int i;

    if (v != NULL && X509_STORE_CTX_init(v, SSL_CTX_get_cert_store(ctx), NULL, NULL)) /* borrowed */
        found = X509_STORE_CTX_get1_certs(v, X509_get_issuer_name(x));                /* +1 on each */
    for (i = 0; i < sk_X509_num(found) && root == NULL; i++) {
        X509 *candidate = sk_X509_value(found, i);

        if (X509_digest(candidate, EVP_sha256(), md, &n) && n == DIGEST && memcmp(md, digest, n) == 0
            && X509_up_ref(candidate)) /* +1 */
            root = candidate;
    }
    sk_X509_pop_free(found, X509_free); /* -1 on each */
    X509_STORE_CTX_free(v);
    return root;
}

/* A verified chain, while it is put together. */
typedef struct built {
    int n; /* with leaf and root; 0: none was verified */
    const uint8_t *der[SESSL_CHAIN_MAX];
    size_t len[SESSL_CHAIN_MAX];
    uint8_t *own[2]; /* leaf and root */
} built;

static int own_cert(built *v, int which, int i, X509 *x)
{
    int n = i2d_X509(x, &v->own[which]);

    v->der[i] = v->own[which];
    v->len[i] = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static int find_own_root(SSL_CTX *ctx, X509 *leaf, built *v, const uint8_t *digest)
{
    int last = v->n - 2; /* the one before the root */
    const uint8_t *p = v->der[last];
    X509 *x = last == 0 ? leaf : d2i_X509(NULL, &p, (long)v->len[last]); /* +1, but for the leaf */
    X509 *root = x == NULL ? NULL : find_root(ctx, x, digest);           /* returns +1 */
    int ok = root != NULL && own_cert(v, 1, v->n - 1, root);

    X509_free(root);
    if (x != leaf)
        X509_free(x);
    return ok;
}

static int read_verified(SSL_CTX *ctx, X509 *leaf, sessl_reader *r, built *v)
{
    const uint8_t *digest;
    int i;

    v->n = (int)sessl_take_number(r, 1);
    if (r->bad || v->n > SESSL_CHAIN_MAX)
        return 0;
    for (i = 1; i < v->n - 1; i++)
        v->der[i] = sessl_take_counted(r, 3, &v->len[i]);
    digest = v->n < 2 ? NULL : sessl_take(r, DIGEST);
    return !r->bad && own_cert(v, 0, 0, leaf) && (v->n < 2 || find_own_root(ctx, leaf, v, digest));
}

static int note_cert(sessl_buf *b, int kind, const uint8_t *der, size_t n)
{
    return sessl_buf_number(b, (size_t)kind, 1) && sessl_buf_counted(b, der, n, 4);
}

static int note_sent(sessl_reader *r, const built *v, sessl_buf *b)
{
    size_t count = (size_t)sessl_take_number(r, 1), n;

    if (count >= SESSL_CHAIN_MAX || !note_cert(b, 0, v->der[0], v->len[0]))
        return 0;
    for (; count > 0; count--) {
        int number = (int)sessl_take_number(r, 1);
        int i = number == SESSL_CERT_ROOT ? v->n - 1 : number + 1;
        const uint8_t *der = number == SESSL_CERT_OTHER ? sessl_take_counted(r, 3, &n) : NULL;

        if (r->bad || (number != SESSL_CERT_OTHER && (i < 1 || i >= v->n)))
            return 0;
        if (!note_cert(b, 0, der != NULL ? der : v->der[i], der != NULL ? n : v->len[i]))
            return 0;
    }
    return !r->bad && r->p == r->end;
}

/* Leaves with s, which has come out of a ticket, what the ticket keeps of its client's
 * certificates. 0: they cannot be had, so s must not be resumed. */
int sessl_chain_unpack(SSL_CTX *ctx, SSL_SESSION *s, const sessl_frame *f)
{
    X509 *leaf = SSL_SESSION_get0_peer(s); /* borrowed */
    sessl_reader r = {f->chain, f->chain + f->chain_len, 0};
    built v = {0};
    sessl_buf b = {0};
    int i, ok;

    ok = leaf != NULL && read_verified(ctx, leaf, &r, &v) && note_sent(&r, &v, &b);
    for (i = 0; i < v.n && ok; i++)
        ok = note_cert(&b, 1, v.der[i], v.len[i]);
    OPENSSL_free(v.own[0]);
    OPENSSL_free(v.own[1]);
    return set_note(s, &b, ok);
}
