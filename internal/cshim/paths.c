#include "private.h"

/* A certificate can have several issuers of one name: the roots before and after a renewal, an
 * expired intermediate among the roots and its successor from the peer, one that two authorities
 * have signed. OpenSSL takes the first that looks right, at each step, and fails where that was
 * wrong; the others are tried here. Nothing is computed for a path that does not end in a root, and
 * what is tried is bounded, whatever a peer sends. */

#define MAX_PATH 12    /* certificates, leaf and root among them */
#define MAX_TRIES 16   /* paths that are verified */
#define MAX_LOOKS 2000 /* pairs of names that are compared */

typedef struct search {
    X509_STORE_CTX *failed;
    STACK_OF(X509) *sent; /* borrowed */
    X509 *path[MAX_PATH];
    X509 *self;  /* the leaf as the store has it, with its trust settings, where that is all of the path */
    int n;       /* certificates in it */
    int trusted; /* the first of them that comes from the store */
    int tries, looks;
    int trust;             /* X509_TRUST_*: what the roots are for */
    STACK_OF(X509) *chain; /* that was verified */
} search;

static int extend(search *s);

/* The path is what has failed. */
static int tried_before(const search *s)
{
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(s->failed); /* borrowed */
    int i;

    for (i = 0; i < s->n; i++)
        if (i >= sk_X509_num(chain) || X509_cmp(s->path[i], sk_X509_value(chain, i)) != 0)
            return 0;
    return sk_X509_num(chain) == s->n;
}

/* Both borrow the certificates. */
static int split(const search *s, STACK_OF(X509) *between, STACK_OF(X509) *roots)
{
    int i;

    if (s->self != NULL)
        return sk_X509_push(roots, s->self) > 0;
    for (i = 1; i < s->n; i++)
        if (!sk_X509_push(i < s->trusted ? between : roots, s->path[i]))
            return 0;
    return 1;
}

/* Verifies this path and no other, by the rules of what has failed. */
static int try(search *s)
{
    STACK_OF(X509) *between = sk_X509_new_null(), *roots = sk_X509_new_null();
    X509_STORE_CTX *v = X509_STORE_CTX_new();
    int ok;

    s->tries++;
    ok = between != NULL && roots != NULL && v != NULL && split(s, between, roots)
        && X509_STORE_CTX_init(v, X509_STORE_CTX_get0_store(s->failed), s->path[0], between)
        && X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(v), X509_STORE_CTX_get0_param(s->failed));
    if (ok) {
        X509_STORE_CTX_set0_trusted_stack(v, roots);                                        /* borrowed */
        ok = X509_verify_cert(v) == 1 && (s->chain = X509_STORE_CTX_get1_chain(v)) != NULL; /* +1 on each */
    }
    X509_STORE_CTX_free(v);
    sk_X509_free(between);
    sk_X509_free(roots);
    return ok;
}

static int has(const search *s, X509 *x)
{
    int i;

    for (i = 0; i < s->n; i++)
        if (X509_cmp(s->path[i], x) == 0)
            return 1;
    return 0;
}

/* Whether the trust settings of the store reject the authority that x is for: the one of its name and
 * key. OpenSSL would take that from the store and end there, so what a peer sends is no way around it. */
static int is_rejected(const search *s, X509 *x)
{
    STACK_OF(X509) *same = X509_STORE_CTX_get1_certs(s->failed, X509_get_subject_name(x)); /* +1 on each */
    int i, rejected = 0;

    for (i = 0; !rejected && i < sk_X509_num(same); i++) {
        X509 *twin = sk_X509_value(same, i);

        rejected = X509_check_trust(twin, s->trust, 0) == X509_TRUST_REJECTED
            && ASN1_STRING_cmp(X509_get0_pubkey_bitstr(twin), X509_get0_pubkey_bitstr(x)) == 0;
    }
    sk_X509_pop_free(same, X509_free); /* -1 on each */
    return rejected;
}

/* Goes on with x, if it may have issued the last of the path. */
static int step(search *s, X509 *x, int from_store)
{
    X509 *last = s->path[s->n - 1];
    int trusted = s->trusted, ok;

    if (++s->looks > MAX_LOOKS || X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(last)) != 0
        || X509_check_issued(x, last) != X509_V_OK || has(s, x) || (!from_store && is_rejected(s, x)))
        return 0;
    if (from_store && s->trusted > s->n)
        s->trusted = s->n;
    s->path[s->n++] = x;
    ok = extend(s);
    s->n--;
    s->trusted = trusted;
    return ok;
}

static int extend_by(search *s, STACK_OF(X509) *candidates, int from_store)
{
    int i, ok = 0;

    for (i = 0; !ok && i < sk_X509_num(candidates); i++)
        ok = step(s, sk_X509_value(candidates, i), from_store);
    return ok;
}

/* 1 when the path can be completed to one that is good. As OpenSSL does, it looks among the
 * roots first, and behind a certificate of theirs nowhere else. */
static int extend(search *s)
{
    X509 *last = s->path[s->n - 1];
    STACK_OF(X509) *roots;
    int ok;

    if (s->trusted < s->n && X509_NAME_cmp(X509_get_subject_name(last), X509_get_issuer_name(last)) == 0)
        return s->tries < MAX_TRIES && !tried_before(s) && try(s);
    if (s->n == MAX_PATH || s->tries >= MAX_TRIES || s->looks >= MAX_LOOKS)
        return 0;
    roots = X509_STORE_CTX_get1_certs(s->failed, X509_get_issuer_name(last)); /* +1 on each; NULL for none */
    ok = extend_by(s, roots, 1) || (s->trusted > s->n && extend_by(s, s->sent, 0));
    sk_X509_pop_free(roots, X509_free); /* -1 on each */
    return ok;
}

/* A self-signed leaf that is among the roots itself. OpenSSL may have taken another of its name for the
 * issuer: without key identifiers nothing in the certificates tells them apart. */
static int extend_by_none(search *s)
{
    X509 *leaf = s->path[0];
    STACK_OF(X509) *roots;
    int i, ok = 0;

    if (X509_NAME_cmp(X509_get_subject_name(leaf), X509_get_issuer_name(leaf)) != 0)
        return 0;
    roots = X509_STORE_CTX_get1_certs(s->failed, X509_get_issuer_name(leaf)); /* +1 on each; NULL for none */
    for (i = 0; !ok && i < sk_X509_num(roots) && s->tries < MAX_TRIES; i++) {
        s->self = sk_X509_value(roots, i); /* borrowed */
        ok = X509_cmp(leaf, s->self) == 0 && try(s);
    }
    s->self = NULL;
    sk_X509_pop_free(roots, X509_free); /* -1 on each */
    return ok;
}

/* X509_verify_cert, and with the other paths if that fails. The SSL is among the data of store. */
int sessl_verify_paths(X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    search s = {.failed = store, .n = 1, .trusted = MAX_PATH + 1};
    int ok;

    s.trust = SSL_is_server(ssl) ? X509_TRUST_SSL_CLIENT : X509_TRUST_SSL_SERVER;
    s.sent = X509_STORE_CTX_get0_untrusted(store);
    ok = X509_verify_cert(store) == 1;
    if (ok || (s.path[0] = X509_STORE_CTX_get0_cert(store)) == NULL)
        return ok;
    ERR_set_mark();
    ok = extend_by_none(&s) || extend(&s);
    ERR_pop_to_mark();
    if (!ok)
        return 0;
    X509_STORE_CTX_set0_verified_chain(store, s.chain); /* takes it over */
    X509_STORE_CTX_set_error(store, X509_V_OK);
    X509_STORE_CTX_set_error_depth(store, 0);
    return 1;
}
