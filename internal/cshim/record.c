#include "private.h"

#include <pthread.h>

/* What Go has noted about a session: immutable and counted, so that copies of the session
 * share it. */
typedef struct note {
    atomic_int refs;
    size_t n;
    uint8_t bytes[];
} note;

/* A note that is not the newest of its kind any more. It lives on: another thread may be
 * reading. Copies of the session do not get it. */
typedef struct past {
    struct past *before;
    note *was; /* one reference */
} past;

/* Two values hang in the ex_data of every SSL_SESSION, from its birth to its last SSL_SESSION_free.
 * libssl creates and copies sessions by itself (tickets, resumption), so this is the only place that sees
 * all of them. The first is a number, its marks, which takes no memory of its own: libcrypto makes room for
 * four values at once. */
#define BORN ((uintptr_t)1)    /* on_new has seen the session */
#define SHARED ((uintptr_t)2)  /* given to a Conn or a Ctx: immutable from then on */
#define TRAVELS ((uintptr_t)4) /* it is in a ticket, although its server has a cache; no copy's */
#define OWNER_SHIFT 3          /* the rest is the number of the Ctx it belongs to; 0: none yet */
#define FLAGS (((uintptr_t)1 << OWNER_SHIFT) - 1)

/* The second is a record, which is made when there is something to note, and lives as long as the session. */
typedef struct record {
    _Atomic(note *) notes[SESSL_NOTES]; /* one reference each; NULL: none */
    _Atomic(past *) past;
    _Atomic(struct sessl_value *) value;
} record;

/* ex_data has no lock of its own for the values of one object. on_dup reads without them: it sees the
 * record whole or not at all. */
static pthread_mutex_t locks[64] = {[0 ... 63] = PTHREAD_MUTEX_INITIALIZER};

static pthread_mutex_t *lock_of(const SSL_SESSION *s)
{
    return &locks[(uintptr_t)s / 64 % 64];
}

static int marks_slot = -1, record_slot = -1;
int sessl_ssl_slot = -1;

/* Of the objects with a record: others in the process may have made some before sessl_init, whose
 * birth was not seen and whose end is. */
static atomic_uint_fast64_t created, freed;

/* Which Ctx is at work on this thread, so that the objects born in its steps are its own. */
static _Thread_local uint64_t current_ctx_id;

void sessl_set_current_ctx(uint64_t ctx_id)
{
    current_ctx_id = ctx_id;
}

static void on_new(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ptr, (void)argl, (void)argp;
    /* Without marks the session has no owner and no notes: refused where either counts, and never given to
     * Go as a new object. The place of the record, which comes before, is made in the same call. */
    ERR_set_mark();
    if (CRYPTO_set_ex_data(ad, idx, (void *)(current_ctx_id << OWNER_SHIFT | BORN)))
        atomic_fetch_add(&created, 1);
    ERR_pop_to_mark();
}

static note *new_note(const uint8_t *p, size_t n)
{
    note *s = OPENSSL_malloc(sizeof(*s) + n);

    if (s == NULL)
        return NULL;
    memcpy(s->bytes, p, n);
    atomic_init(&s->refs, 1);
    s->n = n;
    return s;
}

static void release_note(note *s)
{
    if (s != NULL && atomic_fetch_sub(&s->refs, 1) == 1)
        OPENSSL_free(s);
}

/* The record takes over the reference on s, and keeps the one on what was there. */
static int replace_note(record *r, int kind, note *s)
{
    past *p = OPENSSL_malloc(sizeof(*p));

    if (p == NULL)
        return 0;
    p->was = atomic_exchange(&r->notes[kind], s);
    if (p->was == NULL) {
        OPENSSL_free(p);
        return 1;
    }
    p->before = atomic_load(&r->past);
    while (!atomic_compare_exchange_weak(&r->past, &p->before, p))
        ;
    return 1;
}

static void release_notes(record *r)
{
    past *p, *before;
    int i;

    for (i = 0; i < SESSL_NOTES; i++)
        release_note(atomic_load(&r->notes[i]));
    for (p = atomic_load(&r->past); p != NULL; p = before) {
        before = p->before;
        release_note(p->was);
        OPENSSL_free(p);
    }
}

static void share_notes(record *from, record *to)
{
    int i;

    for (i = 0; i < SESSL_NOTES; i++) {
        note *s = atomic_load(&from->notes[i]);

        if (s != NULL)
            atomic_fetch_add(&s->refs, 1);
        atomic_store(&to->notes[i], s);
    }
}

static const note *find_note(const record *r, int kind)
{
    return r == NULL ? NULL : atomic_load(&r->notes[kind]);
}

/* libssl has called on_new for `to`; afterwards it stores *from_d there. The copy's owner is the Ctx now at
 * work, and it is not shared: that is what makes SSL_SESSION_dup the way from one Ctx to another. 0 makes
 * SSL_SESSION_dup fail. */
static int on_dup_marks(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, sessl_from_d from_d, int idx,
                        long argl, void *argp)
{
    void **slot = (void **)from_d, *src = *slot;

    (void)from, (void)argl, (void)argp;
    *slot = CRYPTO_get_ex_data(to, idx);
    return src == NULL || *slot != NULL;
}

static void free_record(record *r)
{
    release_notes(r);
    sessl_value_release(atomic_load(&r->value));
    OPENSSL_free(r);
}

/* The copy keeps the notes and the values. */
static int on_dup_record(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, sessl_from_d from_d, int idx,
                         long argl, void *argp)
{
    void **slot = (void **)from_d;
    record *src = *slot, *dst;
    struct sessl_value *v;

    (void)to, (void)from, (void)idx, (void)argl, (void)argp;
    if (src == NULL)
        return 1;
    *slot = NULL;
    dst = OPENSSL_zalloc(sizeof(*dst));
    if (dst == NULL)
        return 0;
    share_notes(src, dst);
    v = atomic_load(&src->value);
    if (v != NULL) {
        v = sessl_value_dup(v);
        if (v == NULL) { /* a copy without the values is none */
            free_record(dst);
            return 0;
        }
        atomic_store(&dst->value, v);
    }
    *slot = dst;
    return 1;
}

static void on_free_marks(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    if (ptr != NULL)
        atomic_fetch_add(&freed, 1);
}

static void on_free_record(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    if (ptr != NULL)
        free_record(ptr);
}

void sessl_record_init(void)
{
    record_slot = SSL_SESSION_get_ex_new_index(0, NULL, NULL, on_dup_record, on_free_record);
    marks_slot = SSL_SESSION_get_ex_new_index(0, NULL, on_new, on_dup_marks, on_free_marks);
    sessl_ssl_slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

void sessl_session_counts(uint64_t *c, uint64_t *f)
{
    /* freed first: a session that ends in between must not look like a double free. */
    *f = atomic_load(&freed);
    *c = atomic_load(&created);
}

static uintptr_t marks_of(const SSL_SESSION *s)
{
    pthread_mutex_t *lock = lock_of(s);
    uintptr_t marks;

    pthread_mutex_lock(lock);
    marks = (uintptr_t)SSL_SESSION_get_ex_data(s, marks_slot);
    pthread_mutex_unlock(lock);
    return marks;
}

/* Sets some marks and takes others away. A session without any stays so. */
static void mark(SSL_SESSION *s, uintptr_t set, uintptr_t gone)
{
    pthread_mutex_t *lock = lock_of(s);
    uintptr_t marks;

    pthread_mutex_lock(lock);
    marks = (uintptr_t)SSL_SESSION_get_ex_data(s, marks_slot);
    if (marks != 0)
        SSL_SESSION_set_ex_data(s, marks_slot, (void *)((marks & ~gone) | set));
    pthread_mutex_unlock(lock);
}

/* NULL when the session has none; with create, only without memory or marks. */
static record *record_of(SSL_SESSION *s, int create)
{
    pthread_mutex_t *lock = lock_of(s);
    record *r;

    pthread_mutex_lock(lock);
    r = SSL_SESSION_get_ex_data(s, record_slot);
    if (r == NULL && create && SSL_SESSION_get_ex_data(s, marks_slot) != NULL) {
        r = OPENSSL_zalloc(sizeof(*r));
        if (r != NULL && !SSL_SESSION_set_ex_data(s, record_slot, r)) {
            OPENSSL_free(r);
            r = NULL;
        }
    }
    pthread_mutex_unlock(lock);
    return r;
}

uint64_t sessl_session_owner(const SSL_SESSION *s)
{
    return marks_of(s) >> OWNER_SHIFT;
}

/* A session that never had a Ctx becomes that one's: 2. 1 when it was that one's before, 0 when it is
 * another's. */
int sessl_session_claim(SSL_SESSION *s, uint64_t ctx_id)
{
    pthread_mutex_t *lock = lock_of(s);
    uintptr_t marks;
    int claimed;

    pthread_mutex_lock(lock);
    marks = (uintptr_t)SSL_SESSION_get_ex_data(s, marks_slot);
    claimed = marks != 0 && marks >> OWNER_SHIFT == ctx_id;
    if (marks != 0 && marks >> OWNER_SHIFT == 0
        && SSL_SESSION_set_ex_data(s, marks_slot, (void *)(marks | ctx_id << OWNER_SHIFT)))
        claimed = 2;
    pthread_mutex_unlock(lock);
    return claimed;
}

/* Takes back a claim that was 2: the call that made it has failed. */
void sessl_session_disclaim(SSL_SESSION *s)
{
    mark(s, 0, ~FLAGS);
}

void sessl_session_share(SSL_SESSION *s)
{
    mark(s, SHARED, 0);
}

int sessl_session_shared(const SSL_SESSION *s)
{
    uintptr_t marks = marks_of(s);

    return marks == 0 || (marks & SHARED) != 0;
}

/* Whether s, of a server with both forms, is in a ticket and so in no cache. */
int sessl_session_travels(const SSL_SESSION *s)
{
    return (marks_of(s) & TRAVELS) != 0;
}

void sessl_session_set_travels(SSL_SESSION *s, int yes)
{
    mark(s, yes ? TRAVELS : 0, TRAVELS);
}

int sessl_session_recorded(const SSL_SESSION *s)
{
    return marks_of(s) != 0;
}

/* 0 without memory: the session keeps the note it had. */
int sessl_session_set_note(SSL_SESSION *s, int kind, const uint8_t *p, size_t n)
{
    record *r = record_of(s, n > 0);
    const note *have;
    note *new = NULL;

    if (r == NULL) {
        sessl_err_clear();
        return n == 0 && sessl_session_recorded(s);
    }
    have = find_note(r, kind);
    if (have == NULL ? n == 0 : have->n == n && memcmp(have->bytes, p, n) == 0)
        return 1;
    if (n > 0)
        new = new_note(p, n);
    if ((n == 0 || new != NULL) && replace_note(r, kind, new))
        return 1;
    release_note(new);
    sessl_err_clear();
    return 0;
}

/* The note's bytes live as long as the session. */
size_t sessl_session_note(const SSL_SESSION *s, int kind, const uint8_t **p)
{
    const note *have = find_note(record_of((SSL_SESSION *)s, 0), kind);

    if (have == NULL)
        return 0;
    *p = have->bytes;
    return have->n;
}

/* The number of the session's values in Go; 0 when it has none (or no memory). */
uint64_t sessl_session_value(SSL_SESSION *s, int create)
{
    record *r = record_of(s, create);
    struct sessl_value *v, *none = NULL;

    if (r == NULL) {
        sessl_err_clear();
        return 0;
    }
    v = atomic_load(&r->value);
    if (v == NULL && create) {
        v = sessl_value_new();
        if (v != NULL && !atomic_compare_exchange_strong(&r->value, &none, v)) {
            sessl_value_release(v);
            v = none;
        }
        sessl_err_clear();
    }
    return sessl_value_number(v);
}
