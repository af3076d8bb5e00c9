#include "private.h"

/* Called once, before this package makes an SSL_SESSION. Those that another library of the process
 * has made earlier have no record, and count nowhere. */
void sessl_init(void)
{
    /* Go's threads go on while a process ends, also in a C program that has loaded a library with
     * Go in it: OpenSSL must not be taken down under them. The first call decides. */
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    sessl_record_init();
    /* With ten indexes of a class, libcrypto's own among them, CRYPTO_free_ex_data allocates, and without
     * memory it leaks what they have: SSL_CTX has nine. */
    sessl_alpn_slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, sessl_alpn_free);
    sessl_trust_slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, sessl_trust_free);
    sessl_leaf_slot = X509_get_ex_new_index(0, NULL, NULL, NULL, sessl_companion_free);
    sessl_packed_slot = X509_get_ex_new_index(0, NULL, NULL, NULL, sessl_packed_free);
    sessl_tickets_slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, sessl_tickets_free);
    sessl_policy_slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, sessl_policy_free);
    sessl_psk_slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, sessl_psks_free);
    sessl_certs_slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, sessl_certs_freed);
    sessl_removed_slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, sessl_removed_free);
    sessl_rpk_slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, sessl_rpk_free);
    sessl_err_clear();
}
