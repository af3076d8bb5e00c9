/* External pre-shared keys: psk.c, psk12.c. A part of cshim.h. */
#ifndef SESSL_PSK_H
#define SESSL_PSK_H

/* libssl's own limits are for TLS 1.2; in TLS 1.3 the identity also travels in tickets. */
#define SESSL_PSK_MAX_IDENTITY 1024
#define SESSL_PSK_MAX_KEY PSK_MAX_PSK_LEN
#define SESSL_PSK_FINGERPRINT 32

typedef struct sessl_psk sessl_psk;
sessl_psk *sessl_psk_new(const uint8_t *id, size_t id_len, const uint8_t *key, size_t key_len, int sha384, sessl_err *e);
void sessl_psk_up_ref(sessl_psk *k);
void sessl_psk_free(sessl_psk *k);
void sessl_psk_fingerprint(const sessl_psk *k, uint8_t *out);
void sessl_psk_counts(uint64_t *made, uint64_t *wiped);

/* The keys of an SSL_CTX. */
typedef struct sessl_psk_table sessl_psk_table;
int sessl_ctx_set_psks(SSL_CTX *ctx, int server, sessl_psk *const *keys, size_t n, int v12, const char *hint, sessl_err *e);
int sessl_ctx_psk_suites(SSL_CTX *ctx);
unsigned sessl_psk_client_cb(SSL *ssl, const char *hint, char *identity, unsigned max_identity, unsigned char *psk, unsigned max_psk);
unsigned sessl_psk_server_cb(SSL *ssl, const char *identity, unsigned char *psk, unsigned max_psk);
void sessl_psks_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);

/* What a connection has to do with them. */
typedef struct sessl_psk_use {
    int ask;         /* Go may know more keys than the table */
    sessl_psk *found; /* the one that it has found; one reference */
    int skipped;     /* server: libssl has asked for identities that were not known */
    uint64_t made;   /* what the session that stands for the key is marked with */
    int external;    /* the handshake rests on a key, not on a session that began with one */
} sessl_psk_use;

struct sessl_conn;
void sessl_conn_found_psk(struct sessl_conn *c, sessl_psk *k);
void sessl_conn_psk_done(struct sessl_conn *c);
int sessl_conn_made(const struct sessl_conn *c, const SSL_SESSION *s);
void sessl_conn_drop_psk(struct sessl_conn *c);

extern int sessl_psk_slot; /* registered by sessl_init */

#endif
