/* Sessions. */
#ifndef SESSL_SESSION_H
#define SESSL_SESSION_H

#include "err.h"
#include "trust.h"

/* ---- record.c: what is kept about each SSL_SESSION, in its ex_data ---- */

/* Notes about a session: who was verified, by what; the peer's certificates; and the
 * handshake in which a client has made it of an external key. */
#define SESSL_STAMP 1
#define SESSL_CHAIN 2
#define SESSL_MADE 3
#define SESSL_NOTES 4

void sessl_session_counts(uint64_t *created, uint64_t *freed);
uint64_t sessl_session_owner(const SSL_SESSION *s);
int sessl_session_claim(SSL_SESSION *s, uint64_t ctx_id);
void sessl_session_disclaim(SSL_SESSION *s);
void sessl_session_share(SSL_SESSION *s);
int sessl_session_shared(const SSL_SESSION *s);
int sessl_session_travels(const SSL_SESSION *s);
int sessl_session_set_note(SSL_SESSION *s, int kind, const uint8_t *p, size_t n);
size_t sessl_session_note(const SSL_SESSION *s, int kind, const uint8_t **p);
uint64_t sessl_session_value(SSL_SESSION *s, int create);

/* ---- values.c: the numbers of the Go values bound to sessions ---- */

typedef struct sessl_value_event {
    uint64_t from; /* the number that was copied; 0 when `to` has been freed */
    uint64_t to;
} sessl_value_event;

int sessl_values_pending(void);
int sessl_values_take(sessl_value_event *ev);

/* ---- session.c: to make, read and write one ---- */

SSL_SESSION *sessl_session_new(sessl_err *e);
SSL_SESSION *sessl_session_dup(const SSL_SESSION *s, uint64_t ctx_id, sessl_err *e);
SSL_SESSION *sessl_session_d2i(const uint8_t *der, size_t n, size_t *used, sessl_err *e);
SSL_SESSION *sessl_session_read_pem(const uint8_t *pem, size_t n, int *trailing, sessl_err *e);
int sessl_session_i2d(const SSL_SESSION *s, uint8_t **out, sessl_err *e);
void sessl_clear_free(void *p, size_t n);
int sessl_session_write_pem(SSL_SESSION *s, uint8_t **out, sessl_err *e);
int sessl_session_keylog(const SSL_SESSION *s, uint8_t **out, sessl_err *e);
int sessl_session_print(const SSL_SESSION *s, int secrets, uint8_t **out, sessl_err *e);

/* ---- session_fields.c: what one says ---- */

int64_t sessl_session_get_time(const SSL_SESSION *s);
void sessl_session_set_time(SSL_SESSION *s, int64_t t);
int sessl_session_set_cipher(SSL_SESSION *s, uint16_t id, sessl_err *e);
int sessl_session_set1_id(SSL_SESSION *s, const uint8_t *p, unsigned n, sessl_err *e);
int sessl_session_set1_id_context(SSL_SESSION *s, const uint8_t *p, unsigned n, sessl_err *e);
int sessl_session_set1_hostname(SSL_SESSION *s, const char *name, sessl_err *e);
int sessl_session_set1_alpn(SSL_SESSION *s, const uint8_t *p, size_t n, sessl_err *e);
int sessl_session_set1_master_key(SSL_SESSION *s, const uint8_t *p, size_t n, sessl_err *e);
int sessl_session_set1_appdata(SSL_SESSION *s, const uint8_t *p, size_t n, sessl_err *e);
const uint8_t *sessl_session_get0_appdata(SSL_SESSION *s, size_t *n);
int sessl_session_peer_der(SSL_SESSION *s, uint8_t **out, sessl_err *e);
int sessl_session_rpk_der(SSL_SESSION *s, uint8_t **out, sessl_err *e);
int sessl_session_peer_ok(SSL_SESSION *s, const sessl_host *h);

/* ---- life.c: how long one may be resumed ---- */

/* Times are in seconds. */
typedef struct sessl_life {
    int version;
    uint32_t hint; /* of the server, 0 for none */
    int64_t began, timeout;
} sessl_life;

void sessl_session_get_life(const SSL_SESSION *s, sessl_life *l);

/* ---- seal.c: keys for sessions that leave the process ---- */

#define SESSL_SEAL_LEN 32

int sessl_seal_key_id(const uint8_t *key, uint8_t out[SESSL_SEAL_LEN]);
int sessl_seal_derive(const uint8_t *key, const uint8_t *head, size_t n, uint8_t out[SESSL_SEAL_LEN]);

#endif
