/* A part of cshim.h. */
#ifndef SESSL_CACHE_H
#define SESSL_CACHE_H

/* What a ClientHello offers to resume. */
#define SESSL_OFFERS_ID 1     /* of TLS 1.2, and known here */
#define SESSL_OFFERS_TICKET 2 /* of TLS 1.2 */
#define SESSL_OFFERS_PSK 4
#define SESSL_OFFERS_ANY 7
#define SESSL_OFFERS_EARLY 8 /* data, with the first PSK */
#define SESSL_OFFERS_MAYBE 16 /* an id of TLS 1.2, or one that a client makes up */

/* ---- cache.c: sessions that a server keeps outside of libssl ---- */

void sessl_ctx_ask_for_sessions(SSL_CTX *ctx);
void sessl_conn_found(sessl_conn *c, SSL_SESSION *s);
void sessl_conn_drop_found(sessl_conn *c);
size_t sessl_session_size(const SSL_SESSION *s);

/* ---- removed.c: sessions that libssl has removed ---- */

extern int sessl_removed_slot;
void sessl_removed_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);
int sessl_ctx_report_removed(SSL_CTX *ctx, sessl_err *e);
int sessl_ctx_removed_waiting(SSL_CTX *ctx);
void sessl_ctx_take_removed(SSL_CTX *ctx, sessl_buf *out);

/* ---- settings.c: how a server treats sessions, by context and by connection ---- */

typedef struct sessl_settings {
    long mode, cache_size, timeout;
    size_t num_tickets;
    uint32_t max_early, skip_early;
} sessl_settings;

void sessl_ctx_get_settings(SSL_CTX *ctx, sessl_settings *s);
void sessl_ctx_set_internal_cache(SSL_CTX *ctx, int no_auto_clear, int none, long size);
int sessl_conn_set_num_tickets(sessl_conn *c, size_t n, sessl_err *e);
int sessl_conn_set_psk_hint(sessl_conn *c, const char *hint, sessl_err *e);
int sessl_conn_set_sid_ctx(sessl_conn *c, const uint8_t *p, unsigned n, sessl_err *e);

/* ---- seal.c: keys for sessions that leave the process ---- */

#define SESSL_SEAL_LEN 32

int sessl_seal_key_id(const uint8_t *key, uint8_t out[SESSL_SEAL_LEN]);
int sessl_seal_derive(const uint8_t *key, const uint8_t *head, size_t n, uint8_t out[SESSL_SEAL_LEN]);

/* ---- conn_session.c: the new sessions of a client, until they are delivered ---- */

#define SESSL_FRESH_MAX 256 /* by weight; a server of ours sends 255 */
int sessl_session_weight(const SSL_SESSION *s);

#endif
