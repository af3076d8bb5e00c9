/* Tickets: their keys, and what is in them besides the session. */
#ifndef SESSL_TICKET_H
#define SESSL_TICKET_H

#include "err.h"

/* ---- ticketkey.c: one key ---- */

#define SESSL_TICKET_NAME 16
#define SESSL_TICKET_KEY_MAX 80

typedef struct sessl_ticket_key sessl_ticket_key;

sessl_ticket_key *sessl_ticket_key_new(const uint8_t *p, size_t n, int aes_first, sessl_err *e);
sessl_ticket_key *sessl_ctx_ticket_key(SSL_CTX *ctx, sessl_err *e);
int sessl_ctx_use_ticket_key(SSL_CTX *ctx, sessl_ticket_key *k, sessl_err *e);
void sessl_ticket_key_up_ref(sessl_ticket_key *k);
void sessl_ticket_key_free(sessl_ticket_key *k);
size_t sessl_ticket_key_bytes(sessl_ticket_key *k, int aes_first, uint8_t *out);
void sessl_ticket_key_counts(uint64_t *made, uint64_t *wiped);

/* ---- ticketkeys.c: the keys in force ---- */

typedef struct sessl_ticket_stats {
    uint64_t issued, resumed, renewed, declined, unknown, withheld;
} sessl_ticket_stats;

typedef struct sessl_ticket_keys sessl_ticket_keys;

sessl_ticket_keys *sessl_ticket_keys_new(sessl_ticket_key *const *keys, size_t n, int seals, sessl_err *e);
int sessl_ticket_keys_set(sessl_ticket_keys *k, sessl_ticket_key *const *keys, size_t n, int seals,
                          sessl_err *e);
void sessl_ticket_keys_free(sessl_ticket_keys *k);
void sessl_ticket_keys_get_stats(sessl_ticket_keys *k, sessl_ticket_stats *st);

/* ---- ticket.c: stateless tickets ---- */

int sessl_ctx_set_ticket_keys(SSL_CTX *ctx, sessl_ticket_keys *k, int want_fips, const char *query,
                              sessl_err *e);

/* ---- appdata.c: what a server keeps in its tickets besides the session ---- */

int sessl_conn_set_ticket_data(sessl_conn *c, const uint8_t *p, size_t n);
int sessl_session_admit_to_cache(SSL_CTX *ctx, SSL_SESSION *s);

/* ---- binder.c: whether a client has the session whose ticket it shows ---- */

int sessl_conn_binder_good(sessl_conn *c, const uint8_t *id, size_t n, int want_fips, const char *query);

#endif
