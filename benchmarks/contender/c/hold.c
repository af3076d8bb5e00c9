#include "contender.h"
#include <poll.h>
#include <fcntl.h>

/* Memory that is allocated once is paid for by the first connections. */
enum { FIRST = 100 };

static void raise_file_limit(void)
{
    struct rlimit l;
    getrlimit(RLIMIT_NOFILE, &l);
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l); /* as Go does */
}

/* One thread holds all: the memory is that of libssl alone. A program that waits for its connections with
 * poll or epoll has no more. */
static void hold_one(SSL_CTX *ctx, int fd)
{
    SSL *ssl = server_conn(ctx, fd);
    char b;
    if (opt.form == IDLE) {
        get(ssl, &b, 1);
        put(ssl, &b, 1);
        flush(ssl);
        return;
    }
    struct pollfd p = {.fd = fd, .events = POLLIN};
    fcntl(fd, F_SETFL, O_NONBLOCK);
    poll(&p, 1, -1);
    if (SSL_do_handshake(ssl) > 0)
        die("a handshake with one byte");
    ERR_clear_error();
}

void hold_server(int listener, struct report *r)
{
    SSL_CTX *ctx = server_ctx();
    long before;
    raise_file_limit();
    for (int i = 0; i < FIRST; i++)
        hold_one(ctx, accept_on(listener));
    before = resident();
    for (int i = 0; i < opt.n; i++)
        hold_one(ctx, accept_on(listener));
    r->bytes = (double)(resident() - before) / opt.n;
}

/* Opens as many as the server accepts, and keeps them until the input ends. */
void hold_client(const char *addr)
{
    SSL_CTX *ctx = client_ctx();
    char b = 22; /* the type of a record with a handshake */
    raise_file_limit();
    for (int i = 0; i < opt.n + FIRST; i++) {
        int fd = connect_to(addr);
        if (opt.form == STALL) {
            if (write(fd, &b, 1) != 1)
                die("write");
            continue;
        }
        SSL *ssl = client_conn(ctx, fd, NULL);
        put(ssl, &b, 1);
        flush(ssl);
        get(ssl, &b, 1);
    }
    while (read(0, &b, 1) > 0)
        ;
}
