#include "private.h"

#include <openssl/hmac.h>

/* The ids of sessions that a store keeps end with a MAC of what is before it, so that no store is
 * asked for an id that was made up. The keys come from seal keys, and may be replaced at any time. */

#define LABEL "sessl session id 1" /* what a seal derives keys from begins with another byte */
#define ID_LEN SSL_MAX_SSL_SESSION_ID_LENGTH
#define KEY_LEN 32
#define HASH_LEN 32 /* SHA-256's */

/* The keys in force, immutable once they are: a handshake that has taken a reference works on with
 * them whatever replaces them meanwhile. The last reference wipes them. */
struct sessl_id_ring {
    atomic_int refs;
    size_t n, room;
    uint8_t keys[][KEY_LEN]; /* the first one makes ids */
};

/* Shared by the SSL_CTXs that have been given it and by Go, each with one reference. */
struct sessl_id_keys {
    atomic_int refs;
    pthread_mutex_t lock; /* held for no longer than it takes to take a reference on now */
    sessl_id_ring *now;   /* one reference; NULL: the seal keys are gone */
};

static atomic_uint_fast64_t made, wiped;

/* Returns +1: a ring without keys, with room for n. NULL without memory. */
sessl_id_ring *sessl_id_ring_new(size_t n)
{
    sessl_id_ring *r = OPENSSL_zalloc(sizeof(*r) + n * KEY_LEN);

    if (r != NULL) {
        atomic_init(&r->refs, 1);
        r->room = n;
        atomic_fetch_add(&made, 1);
    }
    sessl_err_clear();
    return r;
}

static int hmac(const uint8_t *key, const void *p, size_t n, uint8_t *out)
{
    return HMAC(EVP_sha256(), key, KEY_LEN, p, n, out, NULL) != NULL;
}

/* Derives a key of a seal key, for a ring that is not in force yet. 0 without memory. */
int sessl_id_ring_add(sessl_id_ring *r, const uint8_t *seal_key)
{
    int ok = r->n < r->room && hmac(seal_key, LABEL, sizeof(LABEL) - 1, r->keys[r->n]);

    r->n += (size_t)ok;
    sessl_err_clear();
    return ok;
}

/* Whether nothing is left of the keys; for the count that tests look at. */
static int is_clean(const uint8_t *p, size_t n)
{
    uint8_t all = 0;

    while (n > 0)
        all |= p[--n];
    return all == 0;
}

/* Drops one reference; the last one wipes the keys. */
void sessl_id_ring_free(sessl_id_ring *r)
{
    size_t n;

    if (r == NULL || atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    n = r->room * KEY_LEN;
    OPENSSL_cleanse(r->keys, n);
    atomic_fetch_add(&wiped, (unsigned)is_clean(r->keys[0], n));
    OPENSSL_free(r);
}

/* +1, the caller's; NULL: there are no keys any more. */
static sessl_id_ring *take(sessl_id_keys *k)
{
    sessl_id_ring *r;

    pthread_mutex_lock(&k->lock);
    r = k->now;
    if (r != NULL)
        atomic_fetch_add(&r->refs, 1);
    pthread_mutex_unlock(&k->lock);
    return r;
}

/* Returns +1, and takes over the caller's reference on r. NULL without memory: r stays the caller's. */
sessl_id_keys *sessl_id_keys_new(sessl_id_ring *r)
{
    sessl_id_keys *k = OPENSSL_zalloc(sizeof(*k));

    if (k != NULL && pthread_mutex_init(&k->lock, NULL) != 0) {
        OPENSSL_free(k);
        k = NULL;
    }
    if (k != NULL) {
        atomic_init(&k->refs, 1);
        k->now = r;
    }
    sessl_err_clear();
    return k;
}

/* Takes over the caller's reference on r; NULL for no keys. The ring before it is wiped with the last
 * handshake that is at work on it. */
void sessl_id_keys_set(sessl_id_keys *k, sessl_id_ring *r)
{
    sessl_id_ring *old;

    pthread_mutex_lock(&k->lock);
    old = k->now;
    k->now = r;
    pthread_mutex_unlock(&k->lock);
    sessl_id_ring_free(old);
}

void sessl_id_keys_up_ref(sessl_id_keys *k)
{
    if (k != NULL)
        atomic_fetch_add(&k->refs, 1);
}

/* Drops one reference. */
void sessl_id_keys_free(sessl_id_keys *k)
{
    if (k == NULL || atomic_fetch_sub(&k->refs, 1) != 1)
        return;
    sessl_id_ring_free(k->now);
    pthread_mutex_destroy(&k->lock);
    OPENSSL_free(k);
}

/* Puts the MAC behind the first n - SESSL_ID_MAC bytes of an id. Without keys it stays as it is: what
 * is random there opens nothing. 0 without memory. */
int sessl_id_keys_mark(sessl_id_keys *k, uint8_t *id, size_t n)
{
    uint8_t mac[HASH_LEN];
    sessl_id_ring *r = take(k);
    int ok = r == NULL || hmac(r->keys[0], id, n - SESSL_ID_MAC, mac);

    if (r != NULL && ok)
        memcpy(id + n - SESSL_ID_MAC, mac, SESSL_ID_MAC);
    sessl_id_ring_free(r);
    return ok;
}

/* Whether an id was made with one of the keys. */
int sessl_id_keys_made(sessl_id_keys *k, const uint8_t *id, size_t n)
{
    uint8_t mac[HASH_LEN];
    sessl_id_ring *r;
    size_t i;
    int is = 0;

    if (n != ID_LEN)
        return 0;
    r = take(k);
    for (i = 0; r != NULL && i < r->n && !is; i++)
        is = hmac(r->keys[i], id, n - SESSL_ID_MAC, mac)
            && CRYPTO_memcmp(mac, id + n - SESSL_ID_MAC, SESSL_ID_MAC) == 0;
    sessl_id_ring_free(r);
    sessl_err_clear();
    return is;
}

void sessl_id_key_counts(uint64_t *m, uint64_t *w)
{
    *w = atomic_load(&wiped);
    *m = atomic_load(&made);
}
