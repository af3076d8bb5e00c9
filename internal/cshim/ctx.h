/* SSL_CTX, and what a server or a client settles for all its connections. */
#ifndef SESSL_CTX_H
#define SESSL_CTX_H

#include "err.h"

/* ---- ctx.c: SSL_CTX ---- */

/* Why there is no SSL_CTX. */
#define SESSL_CTX_FAILED 0
#define SESSL_CTX_NEEDS_3_0 1
#define SESSL_CTX_NO_FIPS 2  /* its provider cannot be loaded */
#define SESSL_CTX_NO_MATCH 3 /* nothing has the properties */
#define SESSL_CTX_BAD_QUERY 4

typedef struct sessl_ctx_stats {
    long number, connect, connect_good, connect_renegotiate;
    long accept, accept_good, accept_renegotiate;
    long hits, cb_hits, misses, timeouts, cache_full;
} sessl_ctx_stats;

SSL_CTX *sessl_ctx_new(int server, int want_fips, const char *query, int *why, sessl_err *e);
void sessl_ctx_set_legacy_server(SSL_CTX *ctx, int on);
void sessl_ctx_free(SSL_CTX *ctx);
int sessl_ctx_set_versions(SSL_CTX *ctx, int min, int max, int enable, sessl_err *e);
int sessl_ctx_set_ciphers(SSL_CTX *ctx, const uint16_t *ids, size_t n, uint16_t *bad, sessl_err *e);
int sessl_ctx_add_psk_suites(SSL_CTX *ctx, int server, int only, sessl_err *e);
int sessl_ctx_set_sid_ctx(SSL_CTX *ctx, const uint8_t *p, unsigned n, sessl_err *e);
void sessl_ctx_flush(SSL_CTX *ctx, int64_t now);
void sessl_ctx_set_tickets(SSL_CTX *ctx, int yes);
int sessl_ctx_set_num_tickets(SSL_CTX *ctx, size_t n, sessl_err *e);
int sessl_ctx_add_session(SSL_CTX *ctx, SSL_SESSION *s, sessl_err *e);
int sessl_ctx_remove_session(SSL_CTX *ctx, SSL_SESSION *s);
void sessl_ctx_get_stats(SSL_CTX *ctx, sessl_ctx_stats *st);

/* ---- settings.c: how a server treats sessions, by context and by connection ---- */

typedef struct sessl_settings {
    long mode, cache_size, timeout;
    size_t num_tickets;
    uint32_t max_early, skip_early;
} sessl_settings;

void sessl_ctx_get_settings(SSL_CTX *ctx, sessl_settings *s);
void sessl_ctx_set_internal_cache(SSL_CTX *ctx, int no_auto_clear, int none, long size);
int sessl_conn_set_num_tickets(sessl_conn *c, size_t n, sessl_err *e);
int sessl_conn_set_sid_ctx(sessl_conn *c, const uint8_t *p, unsigned n, sessl_err *e);
int sessl_conn_set_psk_hint(sessl_conn *c, const char *hint, sessl_err *e);

/* ---- policy.c: what a server wants of sessions ---- */

#define SESSL_ID_PREFIX_MAX 16 /* leaves 128 random bits */

/* For the callbacks; in the ex_data of the server's SSL_CTX. */
typedef struct sessl_policy {
    int64_t max_age;                     /* in seconds from the full handshake; 0: no limit */
    uint8_t prefix[SESSL_ID_PREFIX_MAX]; /* of session ids */
    size_t prefix_len;
    struct sessl_id_keys *ids; /* that ids are marked with; one reference, or NULL */
    unsigned packs;            /* the algorithms by which certificates are compressed: a bit each */
} sessl_policy;

int64_t sessl_now(void);
int sessl_ctx_set_policy(SSL_CTX *ctx, const sessl_policy *p, sessl_err *e);

/* ---- groups.c: groups and signature schemes ---- */

int sessl_ctx_set_groups(SSL_CTX *ctx, const char *list, sessl_err *e);
int sessl_ctx_set_sigalgs(SSL_CTX *ctx, const char *list, sessl_err *e);

/* ---- suites.c: what a Ctx's settings come to ---- */

#define SESSL_KEY_RSA 1
#define SESSL_KEY_RSA_PSS 2
#define SESSL_KEY_EC 4
#define SESSL_KEY_ED25519 8
#define SESSL_KEY_ED448 16
#define SESSL_KEY_OTHER 32

/* Why a suite cannot be negotiated. */
#define SESSL_SUITE_OK 0
#define SESSL_SUITE_LEVEL 1   /* the security level disables it */
#define SESSL_SUITE_KX 2      /* what its key exchange needs is never set */
#define SESSL_SUITE_VERSION 3 /* no version that it is for is possible */
#define SESSL_SUITE_KEY 4     /* no certificate has the key for it */
#define SESSL_SUITE_MISSING 5 /* the library knows its name and no more */

typedef struct sessl_suite {
    uint16_t id;
    int verdict;
    const char *name;
} sessl_suite;

typedef struct sessl_params {
    int level;     /* SSL_CTX_get_security_level */
    int forbidden; /* highest version that the level forbids; 0 for none */
    int keys;      /* SESSL_KEY_* of the certificates */
    int usable;    /* how many suites can be negotiated */
    int served;    /* for which versions: a bit each, from TLS 1.0 on */
} sessl_params;

int sessl_ctx_params(SSL_CTX *ctx, int server, sessl_cert *const *certs, int certs_n, int *bad,
                     sessl_suite *suites, size_t n, sessl_params *got, sessl_err *e);

/* ---- system.c: what openssl.cnf settles for every SSL_CTX ---- */

/* Bits of options, for Go: what openssl.cnf turns on, and what it turns off. */
#define SESSL_OPT_TLS10 1 /* a version that is disabled, and so on */
#define SESSL_OPT_TLS11 2
#define SESSL_OPT_TLS12 4
#define SESSL_OPT_TLS13 8
#define SESSL_OPT_NO_TICKET 16
#define SESSL_OPT_SERVER_PREFERENCE 32

typedef struct sessl_system {
    int has_min, has_max;   /* MinProtocol, MaxProtocol */
    int min, max;           /* 0: none, as the file says */
    int suites12, suites13; /* CipherString, Ciphersuites */
    int first13;            /* the number of the first suite of TLS 1.3 */
    int tickets;            /* NumTickets; -1: not settled */
    int on, off;            /* options */
    int verify;             /* VerifyMode, SSL_VERIFY_* */
} sessl_system;

int sessl_system_of(int server, sessl_system *out, sessl_err *e);

#endif
