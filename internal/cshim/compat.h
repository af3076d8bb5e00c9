/* Differences between the supported OpenSSL releases, chosen at compile time by
 * OPENSSL_VERSION_NUMBER. No other header and no Go file asks for the version. */
#ifndef SESSL_COMPAT_H
#define SESSL_COMPAT_H

#include <openssl/opensslv.h>

#if OPENSSL_VERSION_NUMBER < 0x10101000L
#error "sessl needs OpenSSL 1.1.1 or newer"
#endif

/* SSL_SESSION_get_time_ex and SSL_SESSION_set_time_ex: 3.3. */
#define SESSL_HAVE_TIME_EX (OPENSSL_VERSION_NUMBER >= 0x30300000L)

/* SSL_CTX_flush_sessions_ex: 3.4; the old form is deprecated from there. */
#define SESSL_HAVE_FLUSH_EX (OPENSSL_VERSION_NUMBER >= 0x30400000L)

/* Raw public keys: 3.2. */
#define SESSL_HAVE_RPK (OPENSSL_VERSION_NUMBER >= 0x30200000L)

/* SSL_CTX_set1_cert_comp_preference: 3.2. Before, there are no names for the numbers of RFC 8879. */
#define SESSL_HAVE_CERT_COMPRESSION (OPENSSL_VERSION_NUMBER >= 0x30200000L)
#if !SESSL_HAVE_CERT_COMPRESSION
#define TLSEXT_TYPE_compress_certificate 27
#define SSL3_MT_COMPRESSED_CERTIFICATE 25
#endif

/* SSL_get0_group_name: 3.2. */
#define SESSL_HAVE_GROUP_NAME (OPENSSL_VERSION_NUMBER >= 0x30200000L)

/* SSL_get0_peer_signature_name: 3.5. */
#define SESSL_HAVE_SIGNATURE_NAME (OPENSSL_VERSION_NUMBER >= 0x30500000L)

/* "*" before a group of SSL_CTX_set1_groups_list: 3.5. */
#define SESSL_HAVE_KEY_SHARES (OPENSSL_VERSION_NUMBER >= 0x30500000L)

/* Encrypted Client Hello: 4.0. */
#define SESSL_HAVE_ECH (OPENSSL_VERSION_NUMBER >= 0x40000000L)

/* SSL_new_session_ticket and ERR_get_error_all: 3.0. */
#define SESSL_HAVE_3_0 (OPENSSL_VERSION_NUMBER >= 0x30000000L)

/* SSL_set_retry_verify: 3.0. Before, no SSL waits for it. */
#ifndef SSL_ERROR_WANT_RETRY_VERIFY
#define SSL_ERROR_WANT_RETRY_VERIFY 12
#endif

/* The ex_data dup callback: from_d is void * on 1.1.1, void ** from 3.0. Both
 * point at the slot that is copied into the new object afterwards. */
#if SESSL_HAVE_3_0
typedef void **sessl_from_d;
#else
typedef void *sessl_from_d;
#endif

#endif
