#include "contender.h"
#include <signal.h>

/* ---- the server: as many threads as clients, each of which accepts and serves ---- */

struct server {
    int listener;
    SSL_CTX *ctx;
    atomic_long done;
    struct snapshot begun, ended;
    pthread_mutex_t mu;
    pthread_cond_t over;
    int is_over;
};

static struct server srv = {.mu = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER};

static void tick(void)
{
    long first = (long)opt.clients * warm_units(), done = atomic_fetch_add(&srv.done, 1) + 1;
    if (done == first)
        srv.begun = take_snapshot();
    if (done != first + opt.n)
        return;
    srv.ended = take_snapshot();
    pthread_mutex_lock(&srv.mu);
    srv.is_over = 1;
    pthread_cond_signal(&srv.over);
    pthread_mutex_unlock(&srv.mu);
}

static void echo(SSL *ssl, int n, int counts)
{
    char b;
    while (n-- > 0) {
        get(ssl, &b, 1);
        put(ssl, &b, 1);
        if (counts) {
            flush(ssl);
            tick();
        }
    }
}

/* receive acknowledges what does not count, and all. */
static void receive(SSL *ssl)
{
    static __thread char b[64 << 10];
    int parts[2] = {warm_units(), opt.n / opt.clients};
    for (int i = 0; i < 2; i++) {
        long size = (long)parts[i] * MEBIBYTE, got = 0;
        while (got < size) {
            long left = size - got;
            int k = SSL_read(ssl, b, left < (long)sizeof(b) ? (int)left : (int)sizeof(b));
            if (k <= 0)
                die("SSL_read");
            got += k;
        }
        put(ssl, b, 1);
        flush(ssl);
        for (int k = 0; k < parts[i]; k++)
            tick();
    }
}

static void *serve_all(void *arg)
{
    (void)arg;
    for (;;) {
        SSL *ssl = server_conn(srv.ctx, accept_on(srv.listener));
        if (opt.form == BULK)
            receive(ssl);
        else if (opt.form == RTT)
            echo(ssl, warm_units() + opt.n / opt.clients, 1);
        else
            echo(ssl, 1, 0);
        close_conn(ssl); /* which flushes */
        if (opt.form != BULK && opt.form != RTT)
            tick();
    }
    return NULL;
}

void start_servers(int listener)
{
    signal(SIGPIPE, SIG_IGN);
    srv.listener = listener;
    srv.ctx = server_ctx();
    for (int i = 0; i < opt.clients; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, serve_all, NULL) != 0)
            die("pthread_create");
    }
}

void serve(int listener, struct report *r)
{
    start_servers(listener);
    pthread_mutex_lock(&srv.mu);
    while (!srv.is_over)
        pthread_cond_wait(&srv.over, &srv.mu);
    pthread_mutex_unlock(&srv.mu);
    print_report(&srv.begun, &srv.ended, r);
}

/* ---- the clients: a thread each ---- */

struct client {
    SSL *ssl; /* of bulk and rtt */
    SSL_SESSION *session;
    double *took;
    long count;
    int resumed;
};

static const char *server_addr;
static SSL_CTX *client;
static pthread_barrier_t ready, go;

static SSL *dial(struct client *c, int resume)
{
    return client_conn(client, connect_to(server_addr), resume ? c->session : NULL);
}

static void exchange(struct client *c, SSL *ssl, int look)
{
    char b = 1;
    put(ssl, &b, 1);
    flush(ssl);
    get(ssl, &b, 1);
    keep_session(ssl, &c->session);
    if (look)
        check_conn(ssl);
    else
        c->resumed += reused(ssl);
    close_conn(ssl);
}

static void transfer(struct client *c, int n)
{
    static const char b[16 << 10];
    char ack = 1;
    if (opt.form == RTT) {
        for (; n > 0; n--) {
            double start = now_us();
            put(c->ssl, &ack, 1);
            flush(c->ssl);
            get(c->ssl, &ack, 1);
            if (c->took != NULL)
                c->took[c->count++] = now_us() - start;
        }
        return;
    }
    for (long left = (long)n * MEBIBYTE; left > 0; left -= sizeof(b))
        put(c->ssl, b, sizeof(b));
    flush(c->ssl);
    get(c->ssl, &ack, 1);
}

static void warm_up(struct client *c)
{
    if (opt.form == BULK || opt.form == RTT) {
        c->ssl = dial(c, 0);
        transfer(c, warm_units());
        return;
    }
    for (int i = 0; i < warm_units(); i++)
        exchange(c, dial(c, i > 0 && resumes()), 1);
}

static void *run_client(void *arg)
{
    struct client *c = arg;
    int n = opt.n / opt.clients;
    warm_up(c);
    c->took = malloc(n * sizeof(*c->took));
    pthread_barrier_wait(&ready);
    pthread_barrier_wait(&go);
    if (opt.form == BULK || opt.form == RTT) {
        transfer(c, n);
        close_conn(c->ssl);
        return NULL;
    }
    while (n-- > 0) {
        double start = now_us();
        exchange(c, dial(c, resumes()), 0);
        c->took[c->count++] = now_us() - start;
        if (opt.pause > 0)
            usleep(opt.pause);
    }
    return NULL;
}

void run_clients(const char *addr, struct report *r)
{
    struct client *all = calloc(opt.clients, sizeof(*all));
    pthread_t *threads = calloc(opt.clients, sizeof(*threads));
    struct snapshot begun, ended;
    signal(SIGPIPE, SIG_IGN);
    server_addr = addr;
    client = client_ctx();
    pthread_barrier_init(&ready, NULL, opt.clients + 1);
    pthread_barrier_init(&go, NULL, opt.clients + 1);
    for (int i = 0; i < opt.clients; i++)
        if (pthread_create(&threads[i], NULL, run_client, &all[i]) != 0)
            die("pthread_create");
    pthread_barrier_wait(&ready);
    begun = take_snapshot();
    pthread_barrier_wait(&go);
    for (int i = 0; i < opt.clients; i++)
        pthread_join(threads[i], NULL);
    ended = take_snapshot();
    r->took = malloc(opt.n * sizeof(*r->took));
    for (int i = 0; i < opt.clients; i++) {
        memcpy(r->took + r->count, all[i].took, all[i].count * sizeof(*r->took));
        r->count += all[i].count;
        r->resumed += all[i].resumed;
    }
    if (r->resumed != (resumes() ? opt.n : 0))
        die("other handshakes were resumptions than should be");
    print_report(&begun, &ended, r);
}
