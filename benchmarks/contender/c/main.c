#include "contender.h"
#include <time.h>

struct options opt = {.role = "both",
                      .addr = "",
                      .certs = "../testdata/certs",
                      .key = "p256",
                      .version = TLS1_3_VERSION,
                      .form = TICKET,
                      .clients = 1,
                      .n = 100};

void die(const char *what)
{
    fprintf(stderr, "contender: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void unsupported(const char *why)
{
    fprintf(stderr, "%s\n", why);
    exit(3);
}

double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

struct snapshot take_snapshot(void)
{
    struct rusage u;
    struct snapshot s;
    getrusage(RUSAGE_SELF, &u);
    s.user = u.ru_utime.tv_sec * 1e6 + u.ru_utime.tv_usec;
    s.sys = u.ru_stime.tv_sec * 1e6 + u.ru_stime.tv_usec;
    s.switches = u.ru_nvcsw;
    s.wall = now_us();
    return s;
}

static long status_of(const char *field)
{
    char line[256];
    long value = 0;
    FILE *f = fopen("/proc/self/status", "r");
    if (f == NULL)
        die("/proc/self/status");
    while (fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            value = atol(line + strlen(field));
    fclose(f);
    return value;
}

long resident(void)
{
    return status_of("VmRSS:") << 10;
}

/* As in package contender: how many units each client does before those that are measured. */
int warm_units(void)
{
    return opt.clients == 1 ? 11 : 1;
}

int resumes(void)
{
    return opt.form == TICKET || opt.form == ID;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void print_report(const struct snapshot *from, const struct snapshot *to, struct report *r)
{
    double p[3] = {0, 0, 0};
    if (r->count > 0) {
        qsort(r->took, r->count, sizeof(*r->took), ascending);
        p[0] = r->took[(r->count - 1) * 50 / 100];
        p[1] = r->took[(r->count - 1) * 90 / 100];
        p[2] = r->took[(r->count - 1) * 99 / 100];
    }
    printf("{\"user_us\":%.0f,\"sys_us\":%.0f,\"wall_us\":%.0f,\"count\":%d,\"resumed\":%d,",
           to->user - from->user, to->sys - from->sys, to->wall - from->wall, opt.n, r->resumed);
    printf("\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"threads\":%ld,\"rss_kb\":%ld,\"switches\":%ld,",
           p[0], p[1], p[2], status_of("Threads:"), status_of("VmRSS:"), to->switches - from->switches);
    printf("\"bytes\":%.0f,\"peak\":%.0f,\"puts\":%.0f,\"lookups\":%.0f}\n", r->bytes, r->bytes, r->puts,
           r->lookups); /* C has no garbage */
}

static void set_form(const char *name)
{
    static const char *const names[] = {"full", "ticket", "id", "bulk", "rtt", "idle", "stall", "table"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0) {
            opt.form = (enum form)i;
            return;
        }
    if (strcmp(opt.role, "client") != 0)
        unsupported("package ssl alone has this form");
    opt.form = strcmp(name, "cache") == 0 ? ID : TICKET; /* a client does not see the difference */
}

static void option(const char *name, const char *value)
{
    if (strcmp(name, "-role") == 0)
        opt.role = value;
    else if (strcmp(name, "-addr") == 0)
        opt.addr = value;
    else if (strcmp(name, "-certs") == 0)
        opt.certs = value;
    else if (strcmp(name, "-key") == 0)
        opt.key = value;
    else if (strcmp(name, "-version") == 0)
        opt.version = strcmp(value, "1.2") == 0 ? TLS1_2_VERSION
            : strcmp(value, "none") == 0        ? 0
                                                : TLS1_3_VERSION;
    else if (strcmp(name, "-form") == 0)
        set_form(value);
    else if (strcmp(name, "-clients") == 0)
        opt.clients = atoi(value);
    else if (strcmp(name, "-n") == 0)
        opt.n = atoi(value);
    else if (strcmp(name, "-tuned") == 0)
        opt.tuned = strcmp(value, "true") == 0;
    else if (strcmp(name, "-auth") == 0)
        opt.mutual = strcmp(value, "mutual") == 0;
    else if (strcmp(name, "-pause") == 0)
        opt.pause = atoi(value);
    else if (strcmp(name, "-transport") == 0 && strcmp(value, "socket") != 0)
        unsupported("uses sockets only");
    else if (strcmp(name, "-transport") != 0 && strcmp(name, "-busy") != 0)
        die(name);
}

int main(int argc, char **argv)
{
    struct snapshot none = {0, 0, 0, 0};
    struct report r = {0};
    char addr[64];
    int listener;
    for (int i = 1; i + 1 < argc; i += 2)
        option(argv[i], argv[i + 1]);
    if (argc % 2 == 0 || opt.clients < 1 || opt.n < opt.clients)
        die("usage: contender [-flag value]...");
    opt.n -= opt.n % opt.clients;
    if (opt.form == TABLE) {
        fill_table(&r);
        print_report(&none, &none, &r);
        return 0;
    }
    if (strcmp(opt.role, "client") == 0) {
        if (opt.form == IDLE || opt.form == STALL)
            hold_client(opt.addr);
        else
            run_clients(opt.addr, &r);
        return 0;
    }
    listener = listen_on_loopback(addr, sizeof(addr));
    if (strcmp(opt.role, "both") == 0) {
        start_servers(listener);
        run_clients(addr, &r);
        return 0;
    }
    printf("listening %s\n", addr);
    fflush(stdout);
    if (opt.form == IDLE || opt.form == STALL) {
        hold_server(listener, &r);
        print_report(&none, &none, &r);
    } else {
        serve(listener, &r);
    }
    return 0;
}
