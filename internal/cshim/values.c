#include "private.h"

#include <pthread.h>

/* Go values bound to sessions stay in Go, in a table under a number that lives here.
 * libssl may copy or free the session on any thread, so both are queued as events in
 * the order they happened, and Go applies them at its next table operation. */
struct sessl_value {
    uint64_t from, to;
    struct sessl_value *next;
    struct sessl_value *at_free; /* allocated early: freeing must not fail */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sessl_value *first, **last = &first;
static atomic_int pending;
static uint64_t numbers;

static void push_locked(struct sessl_value *v)
{
    v->next = NULL;
    *last = v;
    last = &v->next;
    atomic_fetch_add(&pending, 1);
}

static struct sessl_value *make(uint64_t from)
{
    struct sessl_value *v = OPENSSL_zalloc(sizeof(*v));

    if (v == NULL)
        return NULL;
    v->at_free = OPENSSL_zalloc(sizeof(*v));
    if (v->at_free == NULL) {
        OPENSSL_free(v);
        return NULL;
    }
    pthread_mutex_lock(&lock);
    v->from = from;
    v->to = v->at_free->to = ++numbers;
    pthread_mutex_unlock(&lock);
    return v;
}

struct sessl_value *sessl_value_new(void)
{
    return make(0);
}

/* The copy's event needs a node of its own, besides the one for its end. */
struct sessl_value *sessl_value_dup(const struct sessl_value *v)
{
    struct sessl_value *copy = make(v->to);
    struct sessl_value *event = OPENSSL_zalloc(sizeof(*event));

    if (copy == NULL || event == NULL) {
        OPENSSL_free(event);
        if (copy != NULL)
            OPENSSL_free(copy->at_free);
        OPENSSL_free(copy);
        return NULL;
    }
    event->from = v->to;
    event->to = copy->to;
    pthread_mutex_lock(&lock);
    push_locked(event);
    pthread_mutex_unlock(&lock);
    return copy;
}

uint64_t sessl_value_number(const struct sessl_value *v)
{
    return v == NULL ? 0 : v->to;
}

void sessl_value_release(struct sessl_value *v)
{
    if (v == NULL)
        return;
    pthread_mutex_lock(&lock);
    push_locked(v->at_free);
    pthread_mutex_unlock(&lock);
    OPENSSL_free(v);
}

int sessl_values_pending(void)
{
    return atomic_load(&pending);
}

int sessl_values_take(sessl_value_event *ev)
{
    struct sessl_value *v;

    pthread_mutex_lock(&lock);
    v = first;
    if (v != NULL) {
        first = v->next;
        if (first == NULL)
            last = &first;
        atomic_fetch_sub(&pending, 1);
    }
    pthread_mutex_unlock(&lock);
    if (v == NULL)
        return 0;
    ev->from = v->from;
    ev->to = v->to;
    OPENSSL_free(v);
    return 1;
}
