#include "private.h"

/* The sessions of one shard of a server's cache, by id and in the order of their use. The caller has a lock
 * around each call. Entries name each other by numbers of 32 bits. A session takes 28 bytes here, 4 to 8 for
 * the buckets, and nothing that Go's collector would have to look at. */

#define NONE UINT32_MAX
#define FIRST_BUCKETS 16

typedef struct entry {
    SSL_SESSION *s; /* one reference; NULL: the entry is free */
    uint32_t hash;  /* of the id */
    uint32_t next;  /* in its bucket, or of the free entries */
    uint32_t newer, older;
} entry;

struct sessl_table {
    uint32_t limit; /* of sessions */
    int64_t max_bytes;
    uint32_t sessions;
    int64_t bytes; /* of them */
    entry *entries;
    uint32_t *sizes;     /* of the entries, apart because lookups need none */
    uint32_t used, room; /* entries that were ever used, and that there is memory for */
    uint32_t *buckets;   /* the first entry of each */
    uint32_t n_buckets;  /* a power of two, or 0 */
    uint32_t free, newest, oldest;
};

/* NULL without memory. */
sessl_table *sessl_table_new(uint32_t limit, int64_t max_bytes)
{
    sessl_table *t = OPENSSL_zalloc(sizeof(*t));

    if (t == NULL) {
        sessl_err_clear();
        return NULL;
    }
    t->limit = limit;
    t->max_bytes = max_bytes;
    t->free = t->newest = t->oldest = NONE;
    return t;
}

void sessl_table_free(sessl_table *t)
{
    uint32_t i;

    for (i = 0; i < t->used; i++)
        sessl_drop_session(t->entries[i].s); /* -1, the table's; NULL is fine */
    OPENSSL_free(t->entries);
    OPENSSL_free(t->sizes);
    OPENSSL_free(t->buckets);
    OPENSSL_free(t);
}

/* How many sessions there are; *bytes: what they take. */
uint32_t sessl_table_read(const sessl_table *t, int64_t *bytes)
{
    *bytes = t->bytes;
    return t->sessions;
}

static uint32_t *bucket(sessl_table *t, uint32_t hash)
{
    return &t->buckets[hash & (t->n_buckets - 1)];
}

/* Where the number of the entry with that id stands: in its bucket, or in the entry before. NULL: nowhere. */
static uint32_t *find(sessl_table *t, uint32_t hash, const uint8_t *id, size_t n)
{
    uint32_t *at;
    entry *e;

    if (t->n_buckets == 0)
        return NULL;
    for (at = bucket(t, hash); *at != NONE; at = &e->next) {
        const unsigned char *p;
        unsigned have;

        e = &t->entries[*at];
        if (e->hash != hash)
            continue;
        p = SSL_SESSION_get_id(e->s, &have); /* borrowed */
        if (have == n && memcmp(p, id, n) == 0)
            return at;
    }
    return NULL;
}

static void detach(sessl_table *t, const entry *e)
{
    *(e->newer == NONE ? &t->newest : &t->entries[e->newer].older) = e->older;
    *(e->older == NONE ? &t->oldest : &t->entries[e->older].newer) = e->newer;
}

/* Makes entry i the most recently used one. */
static void attach(sessl_table *t, uint32_t i)
{
    entry *e = &t->entries[i];

    e->newer = NONE;
    e->older = t->newest;
    *(e->older == NONE ? &t->oldest : &t->entries[e->older].newer) = i;
    t->newest = i;
}

/* Takes out the entry whose number stands there. The table's reference becomes the caller's. */
static SSL_SESSION *take(sessl_table *t, uint32_t *at)
{
    uint32_t i = *at;
    entry *e = &t->entries[i];
    SSL_SESSION *s = e->s;

    *at = e->next;
    detach(t, e);
    t->sessions--;
    t->bytes -= t->sizes[i];
    e->s = NULL;
    e->next = t->free;
    t->free = i;
    return s;
}

static SSL_SESSION *take_entry(sessl_table *t, uint32_t i)
{
    uint32_t *at = bucket(t, t->entries[i].hash);

    while (*at != i)
        at = &t->entries[*at].next;
    return take(t, at);
}

static int more_buckets(sessl_table *t)
{
    uint32_t n = t->n_buckets == 0 ? FIRST_BUCKETS : 2 * t->n_buckets, i;
    uint32_t *buckets = OPENSSL_malloc(n * sizeof(*buckets));

    if (buckets == NULL)
        return 0;
    memset(buckets, 0xff, n * sizeof(*buckets)); /* NONE */
    OPENSSL_free(t->buckets);
    t->buckets = buckets;
    t->n_buckets = n;
    for (i = 0; i < t->used; i++) {
        entry *e = &t->entries[i];

        if (e->s == NULL)
            continue;
        e->next = *bucket(t, e->hash);
        *bucket(t, e->hash) = i;
    }
    return 1;
}

/* By an eighth each time, because what is not used is lost memory. */
static int more_entries(sessl_table *t)
{
    size_t n = t->room + t->room / 8 + 16;
    uint32_t *sizes = OPENSSL_realloc(t->sizes, n * sizeof(*sizes));
    entry *entries = sizes == NULL ? NULL : OPENSSL_realloc(t->entries, n * sizeof(*entries));

    if (sizes != NULL)
        t->sizes = sizes;
    if (entries == NULL)
        return 0;
    t->entries = entries;
    t->room = (uint32_t)n;
    return 1;
}

/* A number for another entry, which is not in use yet; NONE without memory. */
static uint32_t new_entry(sessl_table *t)
{
    uint32_t i = t->free;

    if (t->sessions >= t->n_buckets && !more_buckets(t))
        return NONE;
    if (i != NONE) {
        t->free = t->entries[i].next;
        return i;
    }
    if (t->used == t->room && !more_entries(t))
        return NONE;
    return t->used++;
}

/* Takes out the least recently used sessions until the rest fits, or gone is full. */
void sessl_table_trim(sessl_table *t, sessl_gone *gone)
{
    while (t->sessions > t->limit || t->bytes > t->max_bytes) {
        if (gone->n == SESSL_GONE)
            return;
        gone->s[gone->n++] = take_entry(t, t->oldest);
        gone->evicted++;
    }
}

/* The caller's reference on s becomes the table's, in the place of any other session with that id, and that
 * of what had to go becomes gone's. 0 without memory: nothing has changed. */
int sessl_table_put(sessl_table *t, uint32_t hash, SSL_SESSION *s, int64_t bytes, sessl_gone *gone)
{
    uint32_t i = new_entry(t), *at, *first;
    const unsigned char *id;
    unsigned n;

    if (i == NONE) {
        sessl_err_clear();
        return 0;
    }
    t->entries[i].s = NULL;
    id = SSL_SESSION_get_id(s, &n); /* borrowed */
    at = find(t, hash, id, n);
    if (at != NULL)
        gone->s[gone->n++] = take(t, at);
    first = bucket(t, hash);
    t->sizes[i] = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
    t->entries[i] = (entry){.s = s, .hash = hash, .next = *first};
    *first = i;
    attach(t, i);
    t->sessions++;
    t->bytes += t->sizes[i];
    sessl_table_trim(t, gone);
    return 1;
}

/* What a lookup at that time came to. *s: the session, and a reference that is the caller's, if it was found;
 * and if it was taken out because it has expired. */
int sessl_table_get(sessl_table *t, uint32_t hash, const uint8_t *id, size_t n, int64_t now, SSL_SESSION **s)
{
    uint32_t *at = find(t, hash, id, n), i;
    const entry *e;

    *s = NULL;
    if (at == NULL)
        return SESSL_TABLE_NONE;
    i = *at;
    e = &t->entries[i];
    if (sessl_session_until(e->s) <= now) {
        *s = take(t, at);
        return SESSL_TABLE_EXPIRED;
    }
    if (!SSL_SESSION_is_resumable(e->s))
        return SESSL_TABLE_MARKED; /* stays until it expires */
    if (!SSL_SESSION_up_ref(e->s)) /* +1, the caller's */
        return SESSL_TABLE_NONE;
    if (t->newest != i) {
        detach(t, e);
        attach(t, i);
    }
    *s = e->s;
    return SESSL_TABLE_FOUND;
}

/* The session with that id and the table's reference on it; NULL: none. */
SSL_SESSION *sessl_table_drop(sessl_table *t, uint32_t hash, const uint8_t *id, size_t n)
{
    uint32_t *at = find(t, hash, id, n);

    return at == NULL ? NULL : take(t, at);
}

/* Takes out what has expired by then, beginning with entry `from`, until gone is full. The entry to go on
 * with; 0 when there is none. */
uint32_t sessl_table_flush(sessl_table *t, uint32_t from, int64_t then, sessl_gone *gone)
{
    for (; from < t->used; from++) {
        if (t->entries[from].s == NULL || sessl_session_until(t->entries[from].s) > then)
            continue;
        if (gone->n == SESSL_GONE)
            return from;
        gone->s[gone->n++] = take_entry(t, from);
    }
    return 0;
}

/* -1 for each, gone's. */
void sessl_gone_free(sessl_gone *gone)
{
    while (gone->n > 0)
        sessl_drop_session(gone->s[--gone->n]);
}
