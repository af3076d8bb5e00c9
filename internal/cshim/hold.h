/* A part of cshim.h. */
#ifndef SESSL_HOLD_H
#define SESSL_HOLD_H

/* ---- hold.c: a ClientHello that has not come as a whole ---- */

/* The longest ClientHello that is taken, as in crypto/tls; libssl would take twice as much. */
#define SESSL_HELLO_MAX 65536

/* What a server keeps from libssl. All of it is about the bytes in sessl_conn's in. */
typedef struct sessl_hold {
    int due;         /* a ClientHello is to come, and libssl gets nothing of one in parts */
    int again;       /* it is the second one: libssl has begun */
    int spoke;       /* the server has sent something */
    size_t pass;     /* bytes from the head on that libssl may have all the same */
    size_t seen;     /* bytes from the head on that are records looked at; no less than pass */
    size_t have;     /* bytes of the message in them */
    sessl_buf message; /* the first one, for who wants to see its binder */
    size_t where[4]; /* and where the first of those are, from the head on */
} sessl_hold;

struct sessl_conn;
void sessl_conn_forget_message(struct sessl_conn *c);
int sessl_step_holds(struct sessl_conn *c);
int sessl_conn_holds(struct sessl_conn *c);
size_t sessl_conn_recv(struct sessl_conn *c, uint8_t *p, size_t n);
void sessl_conn_send(struct sessl_conn *c);

#define SESSL_RECORD 17408 /* one large record, which is what is read ahead at first */
#define SESSL_AHEAD_MAX (4 * SESSL_RECORD)
void sessl_hold_spoken(struct sessl_conn *c, const uint8_t *p, size_t n);

#endif
