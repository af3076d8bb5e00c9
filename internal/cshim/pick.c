#include "private.h"

/* Several certificates of one side. libssl keeps one for each type of key; so each handshake is
 * given those that are for the host which the client asks for, or that the server would accept,
 * and libssl chooses among these by what the peer can do. Of one type the first counts. */

struct sessl_certs {
    int n;
    sessl_cert *certs[]; /* one reference each */
};

int sessl_certs_slot = -1;

void sessl_certs_free(sessl_certs *s)
{
    int i;

    for (i = 0; s != NULL && i < s->n; i++)
        sessl_cert_free(s->certs[i]);
    OPENSSL_free(s);
}

void sessl_certs_freed(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    sessl_certs_free(ptr);
}

static sessl_certs *make_certs(sessl_cert *const *certs, int n)
{
    sessl_certs *s = OPENSSL_malloc(sizeof(*s) + (size_t)n * sizeof(s->certs[0]));
    int i;

    if (s == NULL)
        return NULL;
    for (i = 0; i < n; i++) {
        sessl_cert_up_ref(certs[i]); /* +1, the set's */
        s->certs[i] = certs[i];
    }
    s->n = n;
    return s;
}

/* ctx takes references of its own on the n certificates. *bad is the one that it does not take,
 * or -1. */
int sessl_ctx_use_certs(SSL_CTX *ctx, sessl_cert *const *certs, int n, int *bad, sessl_err *e)
{
    sessl_certs *set = NULL;
    int i, ok = 1;

    sessl_err_begin(e);
    *bad = -1;
    for (i = n - 1; i >= 0 && ok; i--) { /* the first of a type comes last and stays */
        ok = SSL_CTX_use_cert_and_key(ctx, certs[i]->leaf, certs[i]->key, certs[i]->chain, 1);
        *bad = ok ? -1 : i;
    }
    if (ok && n > 1) {
        set = make_certs(certs, n);
        ok = set != NULL && SSL_CTX_set_ex_data(ctx, sessl_certs_slot, set); /* freed with ctx */
    }
    if (!ok)
        sessl_certs_free(set);
    for (i = 0; i < n && ok; i++)
        sessl_ctx_pack(ctx, certs[i]);
    sessl_err_take(e);
    return ok;
}

/* The same for one connection, whose SSL_CTX has none. */
int sessl_conn_use_certs(sessl_conn *c, sessl_cert *const *certs, int n, sessl_err *e)
{
    int i, ok = 1;

    sessl_err_begin(e);
    for (i = n - 1; i >= 0 && ok; i--)
        ok = SSL_use_cert_and_key(c->ssl, certs[i]->leaf, certs[i]->key, certs[i]->chain, 1);
    sessl_certs_free(c->certs);
    c->certs = ok && n > 1 ? make_certs(certs, n) : NULL;
    sessl_err_take(e);
    return ok && (n <= 1 || c->certs != NULL);
}

/* Whether a suite of both sides is for that key: in TLS 1.2 they differ by it. */
static int has_suite(SSL *ssl, const EVP_PKEY *key)
{
    STACK_OF(SSL_CIPHER) *theirs = SSL_get_client_ciphers(ssl), *ours = SSL_get_ciphers(ssl); /* borrowed */
    int i, id = EVP_PKEY_base_id(key);
    int auth = id == EVP_PKEY_RSA || id == EVP_PKEY_RSA_PSS ? NID_auth_rsa : NID_auth_ecdsa;

    if (SSL_version(ssl) >= TLS1_3_VERSION)
        return 1;
    for (i = 0; i < sk_SSL_CIPHER_num(theirs); i++) {
        SSL_CIPHER *suite = (SSL_CIPHER *)sk_SSL_CIPHER_value(theirs, i);

        if (SSL_CIPHER_get_auth_nid(suite) == auth && sk_SSL_CIPHER_find(ours, suite) >= 0)
            return 1;
    }
    return 0;
}

#define USABLE (CERT_PKEY_VALID | CERT_PKEY_SIGN)

/* Whether the peer can do something with c: a client by its algorithms, a server by the names of
 * its authorities, too (SSL_check_chain). */
static int is_usable(SSL *ssl, int server, const sessl_cert *c)
{
    int want = server ? USABLE : USABLE | CERT_PKEY_ISSUER_NAME;
    int got = SSL_check_chain(ssl, c->leaf, c->key, c->chain);

    return (got & want) == want && (!server || has_suite(ssl, c->key));
}

static int same_names(const GENERAL_NAMES *a, const GENERAL_NAMES *b)
{
    int i, n = sk_GENERAL_NAME_num(a);

    if (n != sk_GENERAL_NAME_num(b))
        return 0;
    for (i = 0; i < n; i++)
        if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(a, i), sk_GENERAL_NAME_value(b, i)) != 0)
            return 0;
    return 1;
}

#define ASIDE 0
#define FITTING 1 /* by its names */
#define BEST 2    /* and for what the peer can do */

/* Which are for the name that the client has sent; how many. */
static int rank_by_name(const sessl_certs *s, SSL *ssl, uint8_t *rank)
{
    sessl_host asked;
    int i, n = 0, known = sessl_host_asked(ssl, &asked);

    for (i = 0; i < s->n && known; i++)
        if (sessl_names_have(s->certs[i]->names, &asked)) {
            rank[i] = FITTING;
            n++;
        }
    sessl_host_clear(&asked);
    return n;
}

/* For a server: those for the name that the client has sent; without such, the first, and others
 * of its names. If the client can do something with none of these, the first with which it can. */
static void rank_for_client(const sessl_certs *s, SSL *ssl, uint8_t *rank)
{
    int i, best = 0, named = rank_by_name(s, ssl, rank);

    for (i = 0; i < s->n; i++) {
        if (named == 0 && (i == 0 || same_names(s->certs[i]->names, s->certs[0]->names)))
            rank[i] = FITTING;
        if (rank[i] == FITTING && is_usable(ssl, 1, s->certs[i])) {
            rank[i] = BEST;
            best++;
        }
    }
    for (i = 0; i < s->n && named == 0 && best == 0; i++)
        if (is_usable(ssl, 1, s->certs[i])) {
            memset(rank, ASIDE, (size_t)s->n);
            rank[i] = BEST;
            best++;
        }
}

/* For a client: those that the server would accept; without such, all. */
static void rank_for_server(const sessl_certs *s, SSL *ssl, uint8_t *rank)
{
    int i, best = 0;

    for (i = 0; i < s->n; i++)
        if (is_usable(ssl, 0, s->certs[i])) {
            rank[i] = BEST;
            best++;
        }
    if (best == 0)
        memset(rank, FITTING, (size_t)s->n);
}

/* Gives ssl those of that rank; of a type of key the first stays. */
static int use_ranked(const sessl_certs *s, SSL *ssl, const uint8_t *rank, int which)
{
    int i;

    for (i = s->n - 1; i >= 0; i--)
        if (rank[i] == which
            && !SSL_use_cert_and_key(ssl, s->certs[i]->leaf, s->certs[i]->key, s->certs[i]->chain, 1))
            return 0;
    return 1;
}

/* For the callback about certificates: 1 to go on, 0 without memory. */
int sessl_conn_pick(sessl_conn *c, SSL *ssl)
{
    const sessl_certs *s =
        c->certs != NULL ? c->certs : SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), sessl_certs_slot);
    uint8_t *rank;
    int ok;

    if (s == NULL)
        return 1; /* there is one, or none */
    ERR_set_mark();
    rank = OPENSSL_zalloc((size_t)s->n);
    if (rank != NULL) {
        if (c->server)
            rank_for_client(s, ssl, rank);
        else
            rank_for_server(s, ssl, rank);
        SSL_certs_clear(ssl);
    }
    ok = rank != NULL && use_ranked(s, ssl, rank, FITTING) && use_ranked(s, ssl, rank, BEST);
    OPENSSL_free(rank);
    ERR_pop_to_mark();
    c->alloc_failed |= !ok;
    return ok;
}
