#include "private.h"

#include <errno.h>
#include <sys/socket.h>

/* The socket of a step: what is received is for libssl, and what it has written is sent. */

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS: Go's runtime takes the signal, and send returns EPIPE */
#endif

#define STEP_MAX SESSL_AHEAD_MAX /* received by a step, after which there is no further recv */

/* A peer can keep libssl busy with what brings no data, KeyUpdates for one, as fast as it
 * sends: the step ends all the same, for Go to see to deadlines, Close and the answers. */
static int has_enough(sessl_conn *c)
{
    c->more = c->received >= STEP_MAX;
    return c->more;
}

/* One recv; 0 when nothing is there, and recv_eof or recv_errno if so. */
size_t sessl_conn_recv(sessl_conn *c, uint8_t *p, size_t n)
{
    ssize_t got;

    if (c->fd < 0 || has_enough(c))
        return 0;
    do
        got = recv(c->fd, p, n, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        c->received += (size_t)got;
        return (size_t)got;
    }
    if (got == 0)
        c->recv_eof = 1;
    else if (errno != EAGAIN && errno != EWOULDBLOCK)
        c->recv_errno = errno;
    return 0;
}

/* Sends what waits, as far as the socket takes it. */
void sessl_conn_send(sessl_conn *c)
{
    while (c->out.head < c->out.tail) {
        size_t n = c->out.tail - c->out.head;
        ssize_t put = send(c->fd, c->out.p + c->out.head, n, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            if (errno != EAGAIN && errno != EWOULDBLOCK)
                c->send_errno = errno;
            return;
        }
        c->out.head += (size_t)put;
    }
    sessl_buf_free(&c->out);
}
