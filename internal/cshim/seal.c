#include "private.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

/* What is computed of a seal key, here and not in Go, whose packages leave copies behind on
 * stacks that move. */

#define SEAL_LABEL "sessl seal key id 1"

/* The hash by which a sealed session says which key it needs. 0 without memory. */
int sessl_seal_key_id(const uint8_t *key, uint8_t out[SESSL_SEAL_LEN])
{
    uint8_t named[sizeof(SEAL_LABEL) - 1 + SESSL_SEAL_LEN];
    int ok;

    memcpy(named, SEAL_LABEL, sizeof(SEAL_LABEL) - 1);
    memcpy(named + sizeof(SEAL_LABEL) - 1, key, SESSL_SEAL_LEN);
    ok = EVP_Digest(named, sizeof(named), out, NULL, EVP_sha256(), NULL);
    OPENSSL_cleanse(named, sizeof(named));
    sessl_err_clear();
    return ok;
}

/* The key of one seal, HMAC-SHA-256 of what stands in front of it. 0 without memory. */
int sessl_seal_derive(const uint8_t *key, const uint8_t *head, size_t n, uint8_t out[SESSL_SEAL_LEN])
{
    int ok = HMAC(EVP_sha256(), key, SESSL_SEAL_LEN, head, n, out, NULL) != NULL;

    sessl_err_clear();
    return ok;
}
