/* The contender in C: a program that uses libssl as its manual pages say ("plain"), or with what a
 * program does that has been tuned: see tune in tls.c. Flags and report are those of package contender. */
#ifndef CONTENDER_H
#define CONTENDER_H

#define _GNU_SOURCE /* accept4 */

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SERVER_NAME "localhost"
#define MEBIBYTE (1 << 20)

enum form { FULL, TICKET, ID, BULK, RTT, IDLE, STALL, TABLE };

struct options {
    const char *role, *addr, *certs, *key;
    int version; /* TLS1_2_VERSION or TLS1_3_VERSION, or 0 for no TLS */
    enum form form;
    int clients, n, tuned, mutual, pause;
};

extern struct options opt;

/* ---- main.c: options, measuring, the report ---- */
struct snapshot {
    double user, sys, wall; /* microseconds */
    long switches;
};
struct report {
    int resumed;
    double *took; /* microseconds of each unit; count of them */
    long count;
    double bytes, puts, lookups;
};
void die(const char *what) __attribute__((noreturn));
double now_us(void);
struct snapshot take_snapshot(void);
long resident(void);
int warm_units(void);
int resumes(void);
void print_report(const struct snapshot *from, const struct snapshot *to, struct report *r);

/* ---- tls.c: contexts and connections ---- */
SSL_CTX *server_ctx(void);
SSL_CTX *client_ctx(void);
/* Both own fd from then on. session, if not NULL, is offered, and stays the caller's. */
SSL *server_conn(SSL_CTX *ctx, int fd);
SSL *client_conn(SSL_CTX *ctx, int fd, SSL_SESSION *session);
void keep_session(SSL *ssl, SSL_SESSION **kept);
void put(SSL *ssl, const void *data, int n);
void flush(SSL *ssl);
void get(SSL *ssl, void *data, int n);
void close_conn(SSL *ssl);
int reused(SSL *ssl);
void check_conn(SSL *ssl);

/* ---- net.c: sockets ---- */
int listen_on_loopback(char *addr, size_t size);
int connect_to(const char *addr);
int accept_on(int listener);

/* ---- work.c: handshakes, bulk and round trips ---- */
void serve(int listener, struct report *r);
void run_clients(const char *addr, struct report *r);
void start_servers(int listener);

/* ---- hold.c: memory of connections that stay open; table.c: a cache with many sessions ---- */
void hold_server(int listener, struct report *r);
void hold_client(const char *addr);
void fill_table(struct report *r);

#endif
