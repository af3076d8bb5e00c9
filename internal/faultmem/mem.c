#include "mem.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In front of every block of libcrypto, libssl and cshim. */
typedef struct block {
    struct block *prev, *next; /* the blocks of all runs that are still allocated */
    unsigned long run;         /* 0: not made in a run, and in no list */
    size_t size;
    const char *file;
    long line;
} block;

/* Keeps the alignment that malloc gives. */
_Static_assert(sizeof(block) % 16 == 0, "blocks must stay aligned");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static block runs = {&runs, &runs, 0, 0, NULL, 0};
static unsigned long last_run;
static atomic_llong live; /* bytes of all blocks */
static int installed;

/* One thread's fault: the allocation that fails, counted from 1, or 0 for none. */
static _Thread_local struct {
    unsigned long run; /* 0: not armed */
    long k, made;
    int lasting; /* all later ones fail as well */
    int failed;
    int paused;
} fault;

/* How often each place has allocated in the run that lets all succeed (one at a time), and
 * which of its allocations were the 1st, 2nd, 4th, 8th and so on there. */
#define SITES 4096
#define PICKS 16384

static struct {
    struct {
        const char *file;
        int line;
        long count;
    } site[SITES];
    long pick[PICKS], picks;
} trace;

static void note(const char *file, int line)
{
    size_t i = ((uintptr_t)file * 31 + (unsigned)line) % SITES;
    long n, probes = 0;

    while (trace.site[i].count > 0 && (trace.site[i].file != file || trace.site[i].line != line)) {
        i = (i + 1) % SITES;
        if (++probes == SITES)
            return;
    }
    trace.site[i].file = file;
    trace.site[i].line = line;
    n = ++trace.site[i].count;
    if ((n & (n - 1)) == 0 && trace.picks < PICKS)
        trace.pick[trace.picks++] = fault.made;
}

static int refuse(const char *file, int line)
{
    if (fault.run == 0 || fault.paused)
        return 0;
    fault.made++;
    if (fault.k == 0)
        note(file, line);
    if (fault.made != fault.k && !(fault.lasting && fault.k > 0 && fault.made > fault.k))
        return 0;
    fault.failed = 1;
    return 1;
}

static void link_block(block *b)
{
    if (b->run == 0)
        return;
    pthread_mutex_lock(&lock);
    b->prev = &runs;
    b->next = runs.next;
    b->next->prev = b->prev->next = b;
    pthread_mutex_unlock(&lock);
}

static void unlink_block(block *b)
{
    if (b->run == 0)
        return;
    pthread_mutex_lock(&lock);
    b->prev->next = b->next;
    b->next->prev = b->prev;
    pthread_mutex_unlock(&lock);
}

static void *mem_alloc(size_t n, const char *file, int line)
{
    block *b;

    if (n == 0 || n > SIZE_MAX - sizeof(*b) || refuse(file, line))
        return NULL;
    b = malloc(sizeof(*b) + n);
    if (b == NULL)
        return NULL;
    b->run = fault.paused ? 0 : fault.run;
    b->size = n;
    b->file = file;
    b->line = line;
    atomic_fetch_add(&live, (long long)n);
    link_block(b);
    return b + 1;
}

/* Freed memory is overwritten, so that who uses it still does not get away with it. */
static void mem_free(void *p, const char *file, int line)
{
    block *b;

    (void)file, (void)line;
    if (p == NULL)
        return;
    b = (block *)p - 1;
    unlink_block(b);
    atomic_fetch_sub(&live, (long long)b->size);
    memset(p, 0xDD, b->size);
    free(b);
}

/* A block that grows stays what it is: of the run that made it, or of none. */
static void *mem_realloc(void *p, size_t n, const char *file, int line)
{
    block *b, *grown;

    if (p == NULL)
        return mem_alloc(n, file, line);
    b = (block *)p - 1;
    if (n == 0) {
        mem_free(p, file, line);
        return NULL;
    }
    if (n > SIZE_MAX - sizeof(*b) || refuse(file, line) || (grown = malloc(sizeof(*b) + n)) == NULL)
        return NULL;
    *grown = *b;
    grown->size = n;
    atomic_fetch_add(&live, (long long)n);
    memcpy(grown + 1, p, n < b->size ? n : b->size);
    link_block(grown);
    mem_free(p, file, line);
    return grown + 1;
}

/* Before libcrypto's first allocation: it refuses to change afterwards. */
__attribute__((constructor)) static void install(void)
{
    installed = CRYPTO_set_mem_functions(mem_alloc, mem_realloc, mem_free);
}

int faultmem_installed(void)
{
    return installed;
}

/* From here to faultmem_disarm, the calling thread's k-th allocation fails. */
unsigned long faultmem_arm(long k, int lasting)
{
#if OPENSSL_VERSION_NUMBER >= 0x30600000L
    /* A thread without memory for its error queue reports just that, for which it makes its
     * error queue, and so on to the end of the stack; openssl#19331 was the like. The queue
     * is made here. */
    ERR_peek_error();
#endif
    pthread_mutex_lock(&lock);
    fault.run = ++last_run;
    pthread_mutex_unlock(&lock);
    fault.k = k;
    fault.lasting = lasting;
    fault.made = 0;
    fault.failed = 0;
    fault.paused = 0;
    if (k == 0)
        memset(&trace, 0, sizeof(trace));
    return fault.run;
}

void faultmem_disarm(void)
{
    fault.run = 0;
}

/* While paused, nothing fails and nothing belongs to the run. */
void faultmem_pause(int paused)
{
    fault.paused = paused;
}

/* Of the calling thread's run, or the one that has ended: allocations asked for. */
long faultmem_made(void)
{
    return fault.made;
}

int faultmem_failed(void)
{
    return fault.failed;
}

/* Only while a run goes on: what a thread has met before is nothing to the next caller. */
int faultmem_failing(void)
{
    return fault.run != 0 && fault.failed;
}

/* Of a run that let all succeed: allocations that between them cover each place that
 * allocates, at its 1st, 2nd, 4th, 8th time and so on. Returns how many, n at the most. */
long faultmem_sites(long *ks, long n)
{
    if (n > trace.picks)
        n = trace.picks;
    memcpy(ks, trace.pick, sizeof(*ks) * (size_t)n);
    return n;
}

/* How many blocks of a run are still allocated; where lists the places that made them. */
long faultmem_left(unsigned long run, char *where, size_t n)
{
    long left = 0;
    size_t at = 0;
    block *b;

    where[0] = '\0';
    pthread_mutex_lock(&lock);
    for (b = runs.next; b != &runs; b = b->next) {
        int len;

        if (b->run != run)
            continue;
        left++;
        len = snprintf(where + at, n - at, "%s:%ld(%zu) ", b->file == NULL ? "?" : b->file, b->line, b->size);
        if (len > 0 && (size_t)len < n - at)
            at += (size_t)len;
    }
    pthread_mutex_unlock(&lock);
    where[at] = '\0';
    return left;
}

/* How many bytes OpenSSL and cshim hold, on all threads, without what malloc adds. */
long long faultmem_live(void)
{
    return atomic_load(&live);
}

/* Frees what libcrypto keeps for the calling thread: error queue, random generators. */
void faultmem_stop_thread(void)
{
    OPENSSL_thread_stop();
}
