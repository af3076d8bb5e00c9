/* Keys that Go has and that only sign, such as those in hardware: a crypto.Signer. */
#ifndef SESSL_SIGNER_H
#define SESSL_SIGNER_H

#include "cert.h"
#include "conn.h"

/* What Go is to sign. */
struct sessl_tbs {
    uint64_t cert;    /* the number of the certificate whose key it is */
    const char *hash; /* one of OpenSSL's names; "" for a key that hashes by itself */
    int pss;          /* the padding is that of RSASSA-PSS, with a salt as long as the hash */
    const uint8_t *p; /* the message, not hashed; libssl's until Go has answered */
    size_t n;
};

/* ---- signer.c: an EVP_PKEY that stands for such a key ---- */

void sessl_signer_counts(uint64_t *made, uint64_t *freed);
int sessl_signer_fits(const sessl_cert *c, const char *query);

/* ---- signer_thread.c: where libssl waits for a signature ---- */

int sessl_conn_lend_thread(sessl_conn *c);
const sessl_tbs *sessl_conn_tbs(const sessl_conn *c);
void sessl_conn_signed(sessl_conn *c, const uint8_t *sig, size_t n);
uint64_t sessl_signing_threads(void);

#endif
