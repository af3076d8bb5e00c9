#include "private.h"
#include "signer.h"

/* A certificate that this side shows, with its chain and its key. It is immutable once it
 * has been made, and used by any number of SSL_CTXs and SSLs, which take references of
 * their own on its parts. */

static int read_chain(sessl_cert *c, const uint8_t *p, size_t n, sessl_err *e)
{
    const uint8_t *end = p + n;

    while (p < end) {
        X509 *x = sessl_parse_cert(&p, (size_t)(end - p), e); /* returns +1 */

        if (x == NULL)
            return 0;
        if (c->leaf == NULL) {
            c->leaf = x;
        } else if (!sk_X509_push(c->chain, x)) { /* takes over the reference */
            X509_free(x);
            e->no_memory = 1;
            return 0;
        }
    }
    return c->leaf != NULL;
}

static int build_chain(sessl_cert *c, const uint8_t *chain, size_t n, int *why, sessl_err *e)
{
    *why = 0;
    c->chain = sk_X509_new_null();
    if (c->chain == NULL) {
        e->no_memory = 1;
        return 0;
    }
    if (!read_chain(c, chain, n, e)) {
        *why = SESSL_CERT_MALFORMED;
        return 0;
    }
    return sessl_cert_attach(c, e);
}

static int build(sessl_cert *c, const uint8_t *chain, size_t n, const uint8_t *key, size_t key_len,
                 const uint8_t *pass, int pass_len, int *why, sessl_err *e)
{
    if (!build_chain(c, chain, n, why, e))
        return 0;
    c->key = sessl_key_read(key, key_len, pass, pass_len, why, e); /* returns +1 */
    if (c->key == NULL)
        return 0;
    if (!X509_check_private_key(c->leaf, c->key)) {
        e->no_memory |= ERR_peek_error() == 0; /* another's key gets an error */
        *why = SESSL_KEY_MISMATCH;
        return 0;
    }
    return 1;
}

/* chain is one certificate in DER after the other, leaf first. */
sessl_cert *sessl_cert_read(const uint8_t *chain, size_t n, const uint8_t *key, size_t key_len,
                            const uint8_t *pass, int pass_len, int *why, sessl_err *e)
{
    sessl_cert *c;

    sessl_err_begin(e);
    c = OPENSSL_zalloc(sizeof(*c));
    if (c == NULL) {
        e->no_memory = 1;
    } else if (!build(c, chain, n, key, key_len, pass, pass_len, why, e)) {
        sessl_err_take(e); /* freeing clears the queue */
        sessl_cert_free(c);
        c = NULL;
    }
    sessl_err_take(e);
    return c;
}

/* The same with a key that Go has, and has compared with the leaf. */
sessl_cert *sessl_cert_of_signer(const uint8_t *chain, size_t n, int *why, sessl_err *e)
{
    sessl_cert *c;

    sessl_err_begin(e);
    c = OPENSSL_zalloc(sizeof(*c));
    if (c == NULL) {
        e->no_memory = 1;
    } else if (!build_chain(c, chain, n, why, e)
               || (c->key = sessl_signer_key(c->leaf, sessl_cert_number(c), why)) == NULL) { /* +1 */
        sessl_err_take(e);
        sessl_cert_free(c);
        c = NULL;
    }
    sessl_err_take(e);
    return c;
}

/* The i-th certificate in DER, leaf first; 0 past the last, and negative without memory. */
int sessl_cert_nth(const sessl_cert *c, int i, uint8_t **out)
{
    X509 *x = i == 0 ? c->leaf : sk_X509_value(c->chain, i - 1); /* borrowed; NULL past the last */
    int n;

    *out = NULL;
    if (x == NULL)
        return 0;
    n = i2d_X509(x, out);
    sessl_err_clear();
    return n <= 0 ? -1 : n;
}

/* Drops one reference on c, and with the last one those of c; the last one on the key wipes it. */
void sessl_cert_free(sessl_cert *c)
{
    if (__atomic_fetch_sub(&c->more, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    X509_free(c->leaf);
    sk_X509_pop_free(c->chain, X509_free);
    EVP_PKEY_free(c->key);
    GENERAL_NAMES_free(c->names);
    OPENSSL_free(c);
    sessl_err_clear();
}

void sessl_cert_up_ref(sessl_cert *c)
{
    __atomic_fetch_add(&c->more, 1, __ATOMIC_RELAXED);
}

/* The SSL takes references of its own. It has no other certificate afterwards, whatever its
 * type of key; on failure it has none. */
int sessl_conn_use_cert(sessl_conn *c, const sessl_cert *cert, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    SSL_certs_clear(c->ssl);
    c->chosen = SESSL_CHOSEN_GIVEN;
    ok = SSL_use_cert_and_key(c->ssl, cert->leaf, cert->key, cert->chain, 1);
    sessl_err_take(e);
    return ok;
}
