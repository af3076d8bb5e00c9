#include "private.h"

#include <openssl/rand.h>

/* Keys in TLS 1.2 (RFC 4279). There an identity is a string, and it comes too late in the
 * handshake to suspend it: a server has its table only. libssl asks the same functions about
 * TLS 1.3, where other ones have answered. */

/* SSL_psk_client_cb_func. The hint makes no difference: there is one key. */
unsigned sessl_psk_client_cb(SSL *ssl, const char *hint, char *identity, unsigned max_identity,
                             unsigned char *psk, unsigned max_psk)
{
    const sessl_psk_table *t = sessl_psks_of(ssl);
    const sessl_psk *k = t == NULL || t->n == 0 ? NULL : t->keys[0];

    (void)hint;
    if (k == NULL || SSL_version(ssl) >= TLS1_3_VERSION || k->id_len > max_identity || k->key_len > max_psk)
        return 0;
    memcpy(identity, k->bytes + k->key_len, k->id_len); /* there is room for one byte more */
    identity[k->id_len] = '\0';
    memcpy(psk, k->bytes, k->key_len); /* libssl wipes it */
    return (unsigned)k->key_len;
}

/* SSL_psk_server_cb_func. An identity that is not known goes on with a key that no client has:
 * the client hears the same as of a wrong key (RFC 4279, section 2). */
unsigned sessl_psk_server_cb(SSL *ssl, const char *identity, unsigned char *psk, unsigned max_psk)
{
    const sessl_psk *k;

    if (identity == NULL || SSL_version(ssl) >= TLS1_3_VERSION)
        return 0; /* a ticket, or what find_session_cb did not know */
    k = sessl_psk_find(sessl_psks_of(ssl), (const uint8_t *)identity, strlen(identity));
    if (k == NULL)
        return max_psk >= SESSL_PSK_FINGERPRINT && RAND_priv_bytes(psk, SESSL_PSK_FINGERPRINT) > 0
            ? SESSL_PSK_FINGERPRINT
            : 0;
    if (k->key_len > max_psk)
        return 0;
    memcpy(psk, k->bytes, k->key_len); /* libssl wipes it */
    return (unsigned)k->key_len;
}
