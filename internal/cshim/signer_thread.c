#include "private.h"
#include "signer.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

/* No C may lie on the stack under the application's code, and libssl cannot stop where it signs. So
 * the step of a handshake that may come to that is taken by a thread of its own, for which the
 * caller waits. If libssl signs, the thread waits inside of it, and the caller goes back to Go: the
 * handshake is suspended. With the next step the caller waits for the thread again. So of the two
 * one waits at any time, and the connection is used by one at a time, as its mutex demands.
 *
 * Go lends a connection a thread for the step in question, and bounds how many are lent. One that
 * is not lent rests for a while before it ends. */

#define REST 5             /* seconds */
#define STACK (512 * 1024) /* bytes; only what is used of them is memory */

/* Whose turn it is. */
#define CALLERS 0 /* the step is over, or has not begun */
#define THREADS 1
#define GOES 2 /* libssl waits for a signature */

struct sessl_signing {
    pthread_cond_t passed; /* the turn */
    int turn;
    sessl_conn *conn; /* that it is lent to; NULL while it rests */
    int (*step)(sessl_conn *);
    int status;    /* that it came to */
    sessl_tbs tbs; /* what is to be signed */
    uint8_t *sig;  /* and Go's answer, ours; NULL for no */
    size_t sig_len;
    struct sessl_signing *next; /* that rests, too */
};

/* Of all of them: it is held only to pass the turn and to lend. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sessl_signing *resting; /* the last to rest first */
static atomic_uint_fast64_t threads;
static _Thread_local sessl_signing *mine;

/* How many there are, lent or resting. */
uint64_t sessl_signing_threads(void)
{
    return atomic_load(&threads);
}

static void pass(sessl_signing *s, int to)
{
    s->turn = to;
    pthread_cond_signal(&s->passed);
}

static void leave_rest(sessl_signing *s)
{
    sessl_signing **at = &resting;

    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
}

/* Waits for the thread's turn. 0 when it has rested long enough. */
static int await_step(sessl_signing *s)
{
    struct timespec until = {(time_t)sessl_now() + REST, 0}; /* a clock that jumps changes the rest alone */

    while (s->turn != THREADS) {
        if (s->conn != NULL) {
            pthread_cond_wait(&s->passed, &lock);
        } else if (pthread_cond_timedwait(&s->passed, &lock, &until) == ETIMEDOUT && s->conn == NULL) {
            leave_rest(s);
            return 0;
        }
    }
    return 1;
}

static void free_signing(sessl_signing *s)
{
    pthread_cond_destroy(&s->passed);
    OPENSSL_free(s);
    atomic_fetch_sub(&threads, 1);
}

static void *run(void *arg)
{
    sessl_signing *s = arg;

    mine = s;
    pthread_mutex_lock(&lock);
    while (await_step(s)) {
        pthread_mutex_unlock(&lock);
        sessl_err_clear();
        sessl_set_current_ctx(s->conn->ctx_id);
        s->status = s->step(s->conn);
        sessl_err_clear();
        pthread_mutex_lock(&lock);
        pass(s, CALLERS);
    }
    pthread_mutex_unlock(&lock);
    free_signing(s);
    return NULL;
}

/* Signals are for Go's own threads. */
static int start(sessl_signing *s)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    int ok;

    if (pthread_attr_init(&attr) != 0)
        return 0;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    ok = pthread_create(&thread, &attr, run, s) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return ok;
}

static sessl_signing *new_signing(sessl_conn *c)
{
    sessl_signing *s = OPENSSL_zalloc(sizeof(*s));

    if (s == NULL)
        return NULL;
    if (pthread_cond_init(&s->passed, NULL) != 0) {
        OPENSSL_free(s);
        return NULL;
    }
    s->conn = c;
    atomic_fetch_add(&threads, 1);
    if (!start(s)) {
        free_signing(s);
        return NULL;
    }
    return s;
}

/* For the next step; 0 where the system has no thread for it. */
int sessl_conn_lend_thread(sessl_conn *c)
{
    pthread_mutex_lock(&lock);
    c->signing = resting;
    if (resting != NULL) {
        resting->conn = c;
        resting = resting->next;
    }
    pthread_mutex_unlock(&lock);
    if (c->signing == NULL)
        c->signing = new_signing(c);
    sessl_err_clear();
    return c->signing != NULL;
}

/* The lock is held. */
static void give_back(sessl_conn *c)
{
    sessl_signing *s = c->signing;

    c->signing = NULL;
    s->conn = NULL;
    s->next = resting;
    resting = s;
    pthread_cond_signal(&s->passed); /* it has waited without a limit so far */
}

/* Takes a step on the connection's thread, or goes on with it, until it is over or Go must sign. */
int sessl_signing_step(sessl_conn *c, int (*step)(sessl_conn *))
{
    sessl_signing *s = c->signing;
    int status = SESSL_SUSPENDED;

    pthread_mutex_lock(&lock);
    s->step = step;
    pass(s, THREADS);
    while (s->turn == THREADS)
        pthread_cond_wait(&s->passed, &lock);
    if (s->turn == CALLERS) {
        status = s->status;
        give_back(c);
    } else {
        c->ask = SESSL_ASK_SIGNATURE;
    }
    pthread_mutex_unlock(&lock);
    return status;
}

/* Takes the thread away from a connection that is about to be freed: a signature that libssl waits
 * for fails. */
void sessl_signing_end(sessl_conn *c)
{
    while (c->signing != NULL && c->signing->turn == GOES)
        sessl_signing_step(c, c->signing->step);
    if (c->signing == NULL)
        return;
    pthread_mutex_lock(&lock);
    give_back(c);
    pthread_mutex_unlock(&lock);
}

/* In libssl, on such a thread: waits until Go has signed. The signature is the caller's; NULL if
 * there is none. */
uint8_t *sessl_signing_wait(const sessl_tbs *tbs, size_t *n)
{
    sessl_signing *s = mine;
    uint8_t *sig;

    if (s == NULL)
        return NULL;
    pthread_mutex_lock(&lock);
    s->tbs = *tbs;
    pass(s, GOES);
    while (s->turn == GOES)
        pthread_cond_wait(&s->passed, &lock);
    sig = s->sig;
    *n = s->sig_len;
    s->sig = NULL;
    pthread_mutex_unlock(&lock);
    return sig;
}

/* What the suspended handshake is to have signed. */
const sessl_tbs *sessl_conn_tbs(const sessl_conn *c)
{
    return &c->signing->tbs;
}

/* Go's answer, for the next step; without one that step fails. */
void sessl_conn_signed(sessl_conn *c, const uint8_t *sig, size_t n)
{
    sessl_signing *s = c->signing;

    s->sig = OPENSSL_memdup(sig, n);
    s->sig_len = n;
    sessl_err_clear();
}
