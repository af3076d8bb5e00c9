/* The sessions that a server keeps. */
#ifndef SESSL_CACHE_H
#define SESSL_CACHE_H

#include "buf.h"
#include "err.h"

/* ---- cache.c: sessions that a server keeps outside of libssl ---- */

void sessl_ctx_ask_for_sessions(SSL_CTX *ctx, int tickets);
void sessl_conn_found(sessl_conn *c, SSL_SESSION *s);

#define SESSL_ID_MAX 32 /* SSL_MAX_SSL_SESSION_ID_LENGTH */
#define SESSL_ENTRY_OK 0
#define SESSL_ENTRY_UNFIT 1 /* no id, expired, or not resumable */
#define SESSL_ENTRY_LARGE 2

/* What a cache needs to know of a session. */
typedef struct sessl_entry {
    uint8_t id[SESSL_ID_MAX];
    unsigned id_len;
    int64_t until; /* in seconds since 1970 */
    int64_t bytes; /* that it takes, by an estimate */
} sessl_entry;

int sessl_session_entry(SSL_SESSION *s, int64_t now, int64_t room, sessl_entry *out);

/* ---- table.c: the sessions of a shard ---- */

#define SESSL_TABLE_NONE 0
#define SESSL_TABLE_FOUND 1
#define SESSL_TABLE_EXPIRED 2
#define SESSL_TABLE_MARKED 3 /* not resumable */

#define SESSL_GONE 8

/* What has left a table, with a reference each. */
typedef struct sessl_gone {
    int n;
    int evicted; /* of all that were here */
    SSL_SESSION *s[SESSL_GONE];
} sessl_gone;

typedef struct sessl_table sessl_table;

sessl_table *sessl_table_new(uint32_t limit, int64_t max_bytes);
void sessl_table_free(sessl_table *t);
uint32_t sessl_table_read(const sessl_table *t, int64_t *bytes);
int sessl_table_put(sessl_table *t, uint32_t hash, SSL_SESSION *s, int64_t bytes, sessl_gone *gone);
void sessl_table_trim(sessl_table *t, sessl_gone *gone);
int sessl_table_get(sessl_table *t, uint32_t hash, const uint8_t *id, size_t n, int64_t now, SSL_SESSION **s);
SSL_SESSION *sessl_table_drop(sessl_table *t, uint32_t hash, const uint8_t *id, size_t n);
uint32_t sessl_table_flush(sessl_table *t, uint32_t from, int64_t then, sessl_gone *gone);
void sessl_gone_free(sessl_gone *gone);

/* ---- idkeys.c: ids that no stranger can make up ---- */

#define SESSL_ID_MAC 8 /* bytes at the end of an id; a guess costs a lookup, and 2^63 guesses are needed */

typedef struct sessl_id_ring sessl_id_ring;
typedef struct sessl_id_keys sessl_id_keys;

sessl_id_ring *sessl_id_ring_new(size_t n);
int sessl_id_ring_add(sessl_id_ring *r, const uint8_t *seal_key);
void sessl_id_ring_free(sessl_id_ring *r);
sessl_id_keys *sessl_id_keys_new(sessl_id_ring *r);
void sessl_id_keys_set(sessl_id_keys *k, sessl_id_ring *r);
void sessl_id_keys_free(sessl_id_keys *k);
int sessl_id_keys_made(sessl_id_keys *k, const uint8_t *id, size_t n);
void sessl_id_key_counts(uint64_t *made, uint64_t *wiped);

/* ---- removed.c: sessions that libssl has removed ---- */

int sessl_ctx_report_removed(SSL_CTX *ctx, sessl_err *e);
void sessl_ctx_take_removed(SSL_CTX *ctx, sessl_buf *out);

#endif
