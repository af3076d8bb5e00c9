#include "contender.h"
#include <time.h>

/* libssl's own cache with many sessions. It has no function that looks up a session, so this does what
 * lookup_sess_in_cache does in a handshake: it finds the id in the table under a lock that readers share,
 * and takes a reference. */

static const double look_for = 2e6; /* microseconds */
static SSL_CTX *ctx;
static uint64_t run[3];
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static atomic_long found;

/* The same ids as those of package ssl's contender. The hash of libssl's table uses the first bytes. */
static void set_id(SSL_SESSION *s, uint64_t i)
{
    uint64_t x = (i + 1) * 0x9e3779b97f4a7c15;
    unsigned char id[32];
    x ^= x >> 31;
    for (int k = 0; k < 8; k++)
        id[k] = x >> (56 - 8 * k);
    memcpy(id + 8, run, 24);
    if (SSL_SESSION_set1_id(s, id, sizeof(id)) != 1)
        die("SSL_SESSION_set1_id");
}

static void *server_thread(void *arg)
{
    int fds[2] = {*(int *)arg, -1};
    SSL *ssl = server_conn(ctx, accept_on(fds[0]));
    char b;
    get(ssl, &b, 1);
    put(ssl, &b, 1);
    flush(ssl);
    SSL_SESSION *s = SSL_get1_session(ssl); /* +1, transferred to the caller */
    get(ssl, &b, 1);
    close_conn(ssl);
    return s;
}

/* Returns a session that a server made, and the caller's reference on it. */
static SSL_SESSION *server_session(void)
{
    char addr[64], b = 1;
    int listener = listen_on_loopback(addr, sizeof(addr));
    void *ours;
    pthread_t t;
    if (pthread_create(&t, NULL, server_thread, &listener) != 0)
        die("pthread_create");
    SSL *ssl = client_conn(client_ctx(), connect_to(addr), NULL);
    put(ssl, &b, 1);
    flush(ssl);
    get(ssl, &b, 1);
    put(ssl, &b, 1);
    flush(ssl);
    pthread_join(t, &ours);
    close_conn(ssl);
    return ours;
}

static void *look(void *arg)
{
    uint64_t x = (uint64_t)(uintptr_t)arg * 0x9e3779b97f4a7c15 + 1;
    SSL_SESSION *wanted = SSL_SESSION_new();
    double stop = now_us() + look_for;
    long done = 0;
    SSL_SESSION_set_protocol_version(wanted, opt.version);
    while (done % 1024 != 0 || now_us() < stop) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        set_id(wanted, x % opt.n);
        pthread_rwlock_rdlock(&lock);
        SSL_SESSION *s = OPENSSL_LH_retrieve((OPENSSL_LHASH *)SSL_CTX_sessions(ctx), wanted);
        if (s == NULL || SSL_SESSION_up_ref(s) != 1)
            die("a session is missing");
        pthread_rwlock_unlock(&lock);
        SSL_SESSION_free(s); /* the reference of this lookup */
        done++;
    }
    SSL_SESSION_free(wanted);
    atomic_fetch_add(&found, done);
    return NULL;
}

/* A server that knows its names puts them into its sessions. */
static int accept_name(SSL *ssl, int *alert, void *arg)
{
    (void)ssl, (void)alert, (void)arg;
    return SSL_TLSEXT_ERR_OK;
}

void fill_table(struct report *r)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN), before;
    pthread_t threads[256];
    double start;
    ctx = server_ctx();
    SSL_CTX_set_tlsext_servername_callback(ctx, accept_name);
    SSL_CTX_sess_set_cache_size(ctx, 0); /* without limit */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_AUTO_CLEAR);
    SSL_SESSION *proto = server_session();
    srand(time(NULL));
    for (int i = 0; i < 3; i++)
        run[i] = ((uint64_t)rand() << 33) ^ ((uint64_t)rand() << 11) ^ rand();
    before = resident();
    start = now_us();
    for (int i = 0; i < opt.n; i++) {
        SSL_SESSION *s = SSL_SESSION_dup(proto);
        set_id(s, i);
        if (SSL_CTX_add_session(ctx, s) != 1) /* takes a reference of its own */
            die("SSL_CTX_add_session");
        SSL_SESSION_free(s);
    }
    r->puts = opt.n / ((now_us() - start) / 1e6);
    r->bytes = (double)(resident() - before) / opt.n;
    processors = processors > 256 ? 256 : processors;
    for (long i = 0; i < processors; i++)
        if (pthread_create(&threads[i], NULL, look, (void *)i) != 0)
            die("pthread_create");
    for (long i = 0; i < processors; i++)
        pthread_join(threads[i], NULL);
    r->lookups = atomic_load(&found) / (look_for / 1e6);
}
