#include "private.h"

#include <openssl/hmac.h>
#include <stdlib.h>

/* External keys, and the table of those that an SSL_CTX has. */

int sessl_psk_slot = -1;

static atomic_uint_fast64_t made, wiped;

static size_t size_of(size_t id_len, size_t key_len)
{
    return sizeof(sessl_psk) + id_len + key_len;
}

/* Returns +1. The lengths are within the limits, and neither is 0. */
sessl_psk *sessl_psk_new(const uint8_t *id, size_t id_len, const uint8_t *key, size_t key_len, int sha384,
                         sessl_err *e)
{
    sessl_psk *k;
    unsigned n = 0;

    sessl_err_begin(e);
    k = OPENSSL_zalloc(size_of(id_len, key_len));
    if (k == NULL) {
        e->no_memory = 1;
    } else {
        atomic_init(&k->refs, 1);
        k->suite = sha384 ? 0x1302 : 0x1301;
        k->id_len = id_len;
        k->key_len = key_len;
        memcpy(k->bytes, key, key_len);
        memcpy(k->bytes + key_len, id, id_len);
        atomic_fetch_add(&made, 1);
        if (!HMAC(EVP_sha256(), k->bytes, (int)key_len, k->bytes + key_len, id_len, k->fingerprint, &n)) {
            sessl_psk_free(k);
            k = NULL;
        } else {
            k->fingerprint[0] ^= (uint8_t)k->suite; /* another hash is another key */
        }
    }
    sessl_err_take(e);
    return k;
}

void sessl_psk_up_ref(sessl_psk *k)
{
    atomic_fetch_add(&k->refs, 1);
}

/* Whether nothing is left of the key; for the count that tests look at. */
static int is_clean(const uint8_t *p, size_t n)
{
    uint8_t all = 0;

    while (n > 0)
        all |= p[--n];
    return all == 0;
}

/* Drops one reference; the last one wipes the key. */
void sessl_psk_free(sessl_psk *k)
{
    size_t n;

    if (k == NULL || atomic_fetch_sub(&k->refs, 1) != 1)
        return;
    n = size_of(k->id_len, k->key_len);
    OPENSSL_cleanse(k, n);
    atomic_fetch_add(&wiped, (unsigned)is_clean((const uint8_t *)k, n));
    OPENSSL_free(k);
}

/* What tells this key from all others. The key does not follow from it, unless it can be guessed. */
void sessl_psk_fingerprint(const sessl_psk *k, uint8_t *out)
{
    memcpy(out, k->fingerprint, sizeof(k->fingerprint));
}

void sessl_psk_counts(uint64_t *m, uint64_t *w)
{
    *w = atomic_load(&wiped);
    *m = atomic_load(&made);
}

const sessl_psk_table *sessl_psks_of(SSL *ssl)
{
    return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), sessl_psk_slot);
}

typedef struct wanted {
    const uint8_t *p;
    size_t n;
} wanted;

static int compare(const void *a, const void *b)
{
    const wanted *id = a;
    const sessl_psk *k = *(sessl_psk *const *)b;
    int c = memcmp(id->p, k->bytes + k->key_len, id->n < k->id_len ? id->n : k->id_len);

    return c != 0 ? c : (id->n > k->id_len) - (id->n < k->id_len);
}

/* Whether k is the key of that identity. */
int sessl_psk_is(const sessl_psk *k, const uint8_t *id, size_t n)
{
    const wanted w = {id, n};

    return compare(&w, &k) == 0;
}

/* Borrowed from the table; NULL for an unknown identity. */
sessl_psk *sessl_psk_find(const sessl_psk_table *t, const uint8_t *id, size_t n)
{
    const wanted w = {id, n};
    sessl_psk *const *k = t == NULL ? NULL : bsearch(&w, t->keys, t->n, sizeof(t->keys[0]), compare);

    return k == NULL ? NULL : *k;
}

void sessl_psk_table_free(sessl_psk_table *t)
{
    size_t i;

    for (i = 0; t != NULL && i < t->n; i++)
        sessl_psk_free(t->keys[i]);
    OPENSSL_free(t);
}

void sessl_psks_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    sessl_psk_table_free(ptr);
}

sessl_psk_table *sessl_psk_table_new(sessl_psk *const *keys, size_t n)
{
    sessl_psk_table *t = OPENSSL_zalloc(sizeof(*t) + n * sizeof(t->keys[0]));
    size_t i;

    if (t == NULL)
        return NULL;
    for (i = 0; i < n; i++) {
        sessl_psk_up_ref(keys[i]); /* +1, the table's */
        t->keys[i] = keys[i];
    }
    t->n = n;
    return t;
}
