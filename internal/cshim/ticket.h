/* The keys of stateless tickets: ticketkey.c, ticket.c. A part of cshim.h. */
#ifndef SESSL_TICKET_H
#define SESSL_TICKET_H

#define SESSL_TICKET_NAME 16
#define SESSL_TICKET_KEY_MAX 80

typedef struct sessl_ticket_key sessl_ticket_key;
sessl_ticket_key *sessl_ticket_key_new(const uint8_t *p, size_t n, int aes_first, sessl_err *e);
void sessl_ticket_key_up_ref(sessl_ticket_key *k);
void sessl_ticket_key_free(sessl_ticket_key *k);
size_t sessl_ticket_key_bytes(sessl_ticket_key *k, int aes_first, uint8_t *out);
sessl_ticket_key *sessl_ctx_ticket_key(SSL_CTX *ctx, sessl_err *e);
int sessl_ctx_use_ticket_key(SSL_CTX *ctx, sessl_ticket_key *k, sessl_err *e);
void sessl_ticket_key_counts(uint64_t *made, uint64_t *wiped);

/* What has become of the ticket that a client offers. */
#define SESSL_TICKET_NONE 0
#define SESSL_TICKET_UNKNOWN 1 /* its key is not here */
#define SESSL_TICKET_CURRENT 2 /* its key is the one that encrypts */
#define SESSL_TICKET_OTHER 3

typedef struct sessl_ticket_stats {
    uint64_t issued, resumed, renewed, declined, unknown;
} sessl_ticket_stats;

typedef struct sessl_ticket_keys sessl_ticket_keys;
sessl_ticket_keys *sessl_ticket_keys_new(sessl_ticket_key *const *keys, size_t n, sessl_err *e);
int sessl_ticket_keys_set(sessl_ticket_keys *k, sessl_ticket_key *const *keys, size_t n, sessl_err *e);
void sessl_ticket_keys_free(sessl_ticket_keys *k);
void sessl_ticket_keys_get_stats(sessl_ticket_keys *k, sessl_ticket_stats *st);
int sessl_ctx_set_ticket_keys(SSL_CTX *ctx, sessl_ticket_keys *k, int want_fips, const char *query, sessl_err *e);
void sessl_conn_ticket_done(sessl_conn *c);
void sessl_tickets_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);
EVP_CIPHER *sessl_aes_cbc(int bits, int want_fips, const char *query);
void sessl_aes_cbc_free(EVP_CIPHER *c);
void *sessl_hmac(int want_fips, const char *query);
void sessl_hmac_free(void *mac);

extern int sessl_tickets_slot; /* registered by sessl_init */

#endif
