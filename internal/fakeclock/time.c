#include "move.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/time.h>
#include <time.h>

/* The functions by which libcrypto and libssl tell the time: time, and from 3.2 on gettimeofday for
 * sessions. What the program defines comes before what libc does, for its libraries as well. */

static atomic_llong ahead; /* nanoseconds */

#define SECOND 1000000000LL

static long long now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (long long)t.tv_sec * SECOND + t.tv_nsec + atomic_load(&ahead);
}

time_t time(time_t *out)
{
    time_t t = (time_t)(now() / SECOND);

    if (out != NULL)
        *out = t;
    return t;
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    long long t = now();

    (void)tz; /* obsolete, and NULL */
    tv->tv_sec = (time_t)(t / SECOND);
    tv->tv_usec = (suseconds_t)(t % SECOND / 1000);
    return 0;
}

void fakeclock_move(long long by)
{
    atomic_fetch_add(&ahead, by);
}
