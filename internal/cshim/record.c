#include "private.h"

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

/* One record hangs in the ex_data of every SSL_SESSION, from its birth to its last
 * SSL_SESSION_free. libssl creates and copies sessions by itself (tickets, resumption),
 * so this is the only place that sees all of them. */
typedef struct record {
    _Atomic uint64_t owner;             /* number of the Ctx it belongs to; 0: none yet */
    atomic_int shared;                  /* given to a Conn or a Ctx: immutable from then on */
    atomic_int travels;                 /* it is in a ticket, although its server has a cache; no copy's */
    _Atomic(note *) notes[SESSL_NOTES]; /* one reference each; NULL: none */
    _Atomic(past *) past;
    _Atomic(struct sessl_value *) value;
} record;

int sessl_session_slot = -1;
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
    record *r;

    (void)parent, (void)ptr, (void)argl, (void)argp;
    /* Without a record the session has no owner and no notes: refused where either counts,
     * and never given to Go as a new object. */
    ERR_set_mark();
    r = OPENSSL_zalloc(sizeof(*r));
    if (r != NULL) {
        atomic_init(&r->owner, current_ctx_id);
        if (CRYPTO_set_ex_data(ad, idx, r))
            atomic_fetch_add(&created, 1);
        else
            OPENSSL_free(r);
    }
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

/* libssl has called on_new for `to`; afterwards it stores *from_d there. The copy keeps
 * the notes and the values, but its owner is the Ctx now at work and it is not shared:
 * that is what makes SSL_SESSION_dup the way from one Ctx to another. */
static int on_dup(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, sessl_from_d from_d, int idx, long argl,
                  void *argp)
{
    void **slot = (void **)from_d;
    record *src = *slot;
    record *dst = CRYPTO_get_ex_data(to, idx);
    struct sessl_value *v;

    (void)from, (void)argl, (void)argp;
    *slot = dst;
    if (src == NULL || dst == NULL)
        return src == NULL; /* 0 makes SSL_SESSION_dup fail */
    share_notes(src, dst);
    v = atomic_load(&src->value);
    if (v != NULL) {
        v = sessl_value_dup(v);
        atomic_store(&dst->value, v);
        return v != NULL; /* a copy without the values is none */
    }
    return 1;
}

static void on_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    record *r = ptr;

    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    if (r == NULL)
        return;
    atomic_fetch_add(&freed, 1);
    release_notes(r);
    sessl_value_release(atomic_load(&r->value));
    OPENSSL_free(r);
}

void sessl_record_init(void)
{
    sessl_session_slot = SSL_SESSION_get_ex_new_index(0, NULL, on_new, on_dup, on_free);
    sessl_ssl_slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

void sessl_session_counts(uint64_t *c, uint64_t *f)
{
    /* freed first: a session that ends in between must not look like a double free. */
    *f = atomic_load(&freed);
    *c = atomic_load(&created);
}

static record *record_of(const SSL_SESSION *s)
{
    return SSL_SESSION_get_ex_data(s, sessl_session_slot);
}

uint64_t sessl_session_owner(const SSL_SESSION *s)
{
    record *r = record_of(s);

    return r == NULL ? 0 : atomic_load(&r->owner);
}

/* A session that never had a Ctx becomes that one's: 2. 1 when it was that one's before, 0 when it is
 * another's. */
int sessl_session_claim(SSL_SESSION *s, uint64_t ctx_id)
{
    record *r = record_of(s);
    uint64_t none = 0;

    if (r == NULL)
        return 0;
    return atomic_compare_exchange_strong(&r->owner, &none, ctx_id) ? 2 : none == ctx_id;
}

/* Takes back a claim that was 2: the call that made it has failed. */
void sessl_session_disclaim(SSL_SESSION *s)
{
    atomic_store(&record_of(s)->owner, 0);
}

void sessl_session_share(SSL_SESSION *s)
{
    record *r = record_of(s);

    if (r != NULL)
        atomic_store(&r->shared, 1);
}

int sessl_session_shared(const SSL_SESSION *s)
{
    record *r = record_of(s);

    return r == NULL || atomic_load(&r->shared);
}

/* Whether s, of a server with both forms, is in a ticket and so in no cache. */
int sessl_session_travels(const SSL_SESSION *s)
{
    record *r = record_of(s);

    return r != NULL && atomic_load(&r->travels);
}

void sessl_session_set_travels(SSL_SESSION *s, int yes)
{
    record *r = record_of(s);

    if (r != NULL)
        atomic_store(&r->travels, yes);
}

int sessl_session_recorded(const SSL_SESSION *s)
{
    return record_of(s) != NULL;
}

/* 0 without memory: the session keeps the note it had. */
int sessl_session_set_note(SSL_SESSION *s, int kind, const uint8_t *p, size_t n)
{
    record *r = record_of(s);
    const note *have;
    note *new = NULL;

    if (r == NULL)
        return 0;
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
    const note *have = find_note(record_of(s), kind);

    if (have == NULL)
        return 0;
    *p = have->bytes;
    return have->n;
}

/* The number of the session's values in Go; 0 when it has none (or no memory). */
uint64_t sessl_session_value(SSL_SESSION *s, int create)
{
    record *r = record_of(s);
    struct sessl_value *v, *none = NULL;

    if (r == NULL)
        return 0;
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
