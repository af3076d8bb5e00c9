#include "private.h"

#include <openssl/rand.h>

/* A key that encrypts tickets. It is immutable, and held by rings and by the application's
 * handles, each with one reference; the last one wipes it. */

static atomic_uint_fast64_t made, wiped;

/* nginx has the AES key last in its files of 80 bytes, and first in those of 48; haproxy has
 * it first in both. */
static uint8_t *first_half(sessl_ticket_key *k, int aes_first)
{
    return aes_first || k->half == 16 ? k->aes : k->hmac;
}

static uint8_t *second_half(sessl_ticket_key *k, int aes_first)
{
    return first_half(k, aes_first) == k->aes ? k->hmac : k->aes;
}

/* Returns +1: the key in p, of 48 or 80 bytes, or without p a random one of n bytes. */
sessl_ticket_key *sessl_ticket_key_new(const uint8_t *p, size_t n, int aes_first, sessl_err *e)
{
    uint8_t random[SESSL_TICKET_KEY_MAX];
    sessl_ticket_key *k = NULL;

    sessl_err_begin(e);
    if (p == NULL && RAND_priv_bytes(random, (int)n) <= 0)
        goto end;
    k = OPENSSL_zalloc(sizeof(*k));
    if (k == NULL) {
        e->no_memory = 1;
        goto end;
    }
    if (p == NULL)
        p = random;
    atomic_init(&k->refs, 1);
    k->half = (n - sizeof(k->name)) / 2;
    memcpy(k->name, p, sizeof(k->name));
    memcpy(first_half(k, aes_first), p + sizeof(k->name), k->half);
    memcpy(second_half(k, aes_first), p + sizeof(k->name) + k->half, k->half);
    atomic_fetch_add(&made, 1);
end:
    OPENSSL_cleanse(random, sizeof(random));
    sessl_err_take(e);
    return k;
}

/* Returns +1: the key that libssl has made for ctx, in the order of nginx's 80 bytes. */
sessl_ticket_key *sessl_ctx_ticket_key(SSL_CTX *ctx, sessl_err *e)
{
    uint8_t bytes[SESSL_TICKET_KEY_MAX];
    sessl_ticket_key *k = NULL;

    sessl_err_begin(e);
    if (SSL_CTX_get_tlsext_ticket_keys(ctx, bytes, sizeof(bytes)) > 0)
        k = sessl_ticket_key_new(bytes, sizeof(bytes), 0, e);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    sessl_err_take(e);
    return k;
}

/* ctx copies k, which must be one of 80 bytes, and no connection may have been made from it:
 * it does so without a lock. */
int sessl_ctx_use_ticket_key(SSL_CTX *ctx, sessl_ticket_key *k, sessl_err *e)
{
    uint8_t bytes[SESSL_TICKET_KEY_MAX];
    int ok;

    sessl_err_begin(e);
    ok = sessl_ticket_key_bytes(k, 0, bytes) == sizeof(bytes)
        && SSL_CTX_set_tlsext_ticket_keys(ctx, bytes, sizeof(bytes)) > 0;
    OPENSSL_cleanse(bytes, sizeof(bytes));
    sessl_err_take(e);
    return ok;
}

void sessl_ticket_key_up_ref(sessl_ticket_key *k)
{
    atomic_fetch_add(&k->refs, 1);
}

/* Whether nothing is left of the secrets; for the count that tests look at. */
static int is_clean(const sessl_ticket_key *k)
{
    uint8_t all = 0;
    size_t i;

    for (i = 0; i < sizeof(k->hmac); i++)
        all |= k->hmac[i] | k->aes[i];
    return all == 0;
}

/* Drops one reference; the last one wipes the key. */
void sessl_ticket_key_free(sessl_ticket_key *k)
{
    if (k == NULL || atomic_fetch_sub(&k->refs, 1) != 1)
        return;
    OPENSSL_cleanse(k, sizeof(*k));
    atomic_fetch_add(&wiped, (unsigned)is_clean(k));
    OPENSSL_free(k);
}

/* Copies the key out, in 48 or 80 bytes; returns how many. */
size_t sessl_ticket_key_bytes(sessl_ticket_key *k, int aes_first, uint8_t *out)
{
    memcpy(out, k->name, sizeof(k->name));
    memcpy(out + sizeof(k->name), first_half(k, aes_first), k->half);
    memcpy(out + sizeof(k->name) + k->half, second_half(k, aes_first), k->half);
    return sizeof(k->name) + 2 * k->half;
}

void sessl_ticket_key_counts(uint64_t *m, uint64_t *w)
{
    *w = atomic_load(&wiped);
    *m = atomic_load(&made);
}
