/* What psk.c and psk12.c share, and cgo need not see. */
#ifndef SESSL_PSKKEY_H
#define SESSL_PSKKEY_H

#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdatomic.h>

#include "cshim.h"

/* One key. It is immutable, and held by tables, connections and the application's handles,
 * each with one reference; the last one wipes it. */
struct sessl_psk {
    atomic_int refs;
    unsigned suite; /* one of TLS 1.3 with the key's hash */
    size_t id_len, key_len;
    uint8_t fingerprint[SESSL_PSK_FINGERPRINT];
    uint8_t bytes[]; /* the key, then the identity */
};

/* In the ex_data of an SSL_CTX; immutable. */
struct sessl_psk_table {
    int v12; /* those that fit are used in TLS 1.2 too */
    size_t n;
    sessl_psk *keys[]; /* one reference each, sorted by identity */
};

const sessl_psk_table *sessl_psks_of(SSL *ssl);
int sessl_psk_is(const sessl_psk *k, const uint8_t *id, size_t n);
sessl_psk_table *sessl_psk_table_new(sessl_psk *const *keys, size_t n);
void sessl_psk_table_free(sessl_psk_table *t);
sessl_psk *sessl_psk_find(const sessl_psk_table *t, const uint8_t *id, size_t n);

#endif
