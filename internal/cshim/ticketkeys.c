#include "private.h"

/* The keys of tickets that are in force, and may be replaced at any time. */

void sessl_ticket_ring_drop(sessl_ticket_ring *r)
{
    size_t i;

    if (r == NULL || atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    for (i = 0; i < r->n; i++)
        sessl_ticket_key_free(r->keys[i]);
    OPENSSL_free(r);
}

sessl_ticket_ring *sessl_ticket_ring_take(sessl_ticket_keys *k)
{
    sessl_ticket_ring *r;

    pthread_mutex_lock(&k->lock);
    r = k->now;
    atomic_fetch_add(&r->refs, 1); /* +1, the caller's */
    pthread_mutex_unlock(&k->lock);
    return r;
}

static sessl_ticket_ring *make_ring(sessl_ticket_key *const *keys, size_t n, int seals)
{
    sessl_ticket_ring *r = OPENSSL_malloc(sizeof(*r) + n * sizeof(r->keys[0]));
    size_t i;

    if (r == NULL)
        return NULL;
    atomic_init(&r->refs, 1);
    r->n = n;
    r->seals = seals;
    for (i = 0; i < n; i++) {
        sessl_ticket_key_up_ref(keys[i]); /* +1, the ring's */
        r->keys[i] = keys[i];
    }
    return r;
}

/* Returns +1; the ring takes references of its own on the n keys, of which with seals the first
 * encrypts. n may be 0 without. */
sessl_ticket_keys *sessl_ticket_keys_new(sessl_ticket_key *const *keys, size_t n, int seals, sessl_err *e)
{
    sessl_ticket_keys *k;

    sessl_err_begin(e);
    k = OPENSSL_zalloc(sizeof(*k));
    if (k != NULL && (k->now = make_ring(keys, n, seals)) != NULL
        && pthread_mutex_init(&k->lock, NULL) == 0) {
        atomic_init(&k->refs, 1);
    } else {
        if (k != NULL)
            sessl_ticket_ring_drop(k->now);
        OPENSSL_free(k);
        k = NULL;
        e->no_memory = 1;
    }
    sessl_err_take(e);
    return k;
}

/* On failure the old keys stay. Handshakes that are at work on them end with them. */
int sessl_ticket_keys_set(sessl_ticket_keys *k, sessl_ticket_key *const *keys, size_t n, int seals,
                          sessl_err *e)
{
    sessl_ticket_ring *next, *old;

    sessl_err_begin(e);
    next = make_ring(keys, n, seals);
    if (next == NULL) {
        e->no_memory = 1;
        sessl_err_take(e);
        return 0;
    }
    pthread_mutex_lock(&k->lock);
    old = k->now;
    k->now = next;
    pthread_mutex_unlock(&k->lock);
    sessl_ticket_ring_drop(old);
    sessl_err_take(e);
    return 1;
}

/* Drops one reference. */
void sessl_ticket_keys_free(sessl_ticket_keys *k)
{
    if (k == NULL || atomic_fetch_sub(&k->refs, 1) != 1)
        return;
    sessl_ticket_ring_drop(k->now);
    pthread_mutex_destroy(&k->lock);
    OPENSSL_free(k);
}

void sessl_ticket_keys_get_stats(sessl_ticket_keys *k, sessl_ticket_stats *st)
{
    st->issued = atomic_load(&k->issued);
    st->resumed = atomic_load(&k->resumed);
    st->renewed = atomic_load(&k->renewed);
    st->declined = atomic_load(&k->declined);
    st->unknown = atomic_load(&k->unknown);
    st->withheld = atomic_load(&k->withheld);
}
