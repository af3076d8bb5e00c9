#include "private.h"

#include <pthread.h>

/* The BIO under every SSL. During a step it has a socket, or memory that Go lends: it
 * reads ahead, so that one recv brings many records, and collects output, so that one
 * send takes them all. It never blocks and never calls Go. */

#define BULK_MAX (16 * SESSL_RECORD) /* for a reader that has room for as much */

/* Moves up to n buffered bytes to p. */
static size_t from_buffer(sessl_conn *c, char *p, size_t n)
{
    size_t have = c->in.tail - c->in.head;

    if (c->hold.due) {
        have = c->hold.pass;
        n = n < have ? n : have;
        c->hold.pass -= n;
        c->hold.seen -= n;
    }
    n = n < have ? n : have;
    memcpy(p, c->in.p + c->in.head, n);
    c->in.head += n;
    if (c->in.head == c->in.tail)
        sessl_buf_free(&c->in);
    return n;
}

/* What the next recv asks for: the most there is room for when this one filled what it was
 * given, else one record more than came. */
static size_t next_ahead(const sessl_conn *c, size_t got)
{
    size_t max = c->room > BULK_MAX ? BULK_MAX : c->room < SESSL_AHEAD_MAX ? SESSL_AHEAD_MAX : c->room, next;

    next = got == c->ahead ? max : (got / SESSL_RECORD + 1) * SESSL_RECORD;
    return next < max ? next : max;
}

/* Fills the buffer, which is empty, by one recv; 0 when nothing is there. */
static int read_ahead(sessl_conn *c)
{
    size_t got;

    if (c->fd < 0)
        return 0;
    if (c->ahead == 0)
        c->ahead = SESSL_RECORD;
    if (!sessl_buf_reserve(&c->in, c->ahead)) {
        c->alloc_failed = 1;
        return 0;
    }
    got = sessl_conn_recv(c, c->in.p + c->in.tail, c->ahead);
    if (got == 0) {
        sessl_buf_free(&c->in);
        return 0;
    }
    c->in.tail += got;
    c->ahead = next_ahead(c, got);
    return 1;
}

static void note_first(sessl_conn *c, const char *p, size_t n)
{
    while (c->first_n < (int)sizeof(c->first) && n-- > 0)
        c->first[c->first_n++] = (uint8_t)*p++;
}

/* 1 when what the peer has sent first is no record that a handshake begins with: plain text, most
 * often. Types from 0x80 on are hellos of SSL 2, and 0x7F is what hold.c writes. */
int sessl_conn_is_foreign(const sessl_conn *c)
{
    int type = c->first[0];

    return c->first_n == (int)sizeof(c->first) && type < 0x7F
        && ((type != SSL3_RT_ALERT && type != SSL3_RT_HANDSHAKE) || c->first[1] >= 0x10);
}

/* Whatever is queued when libssl wants another record it has got over: a fatal error reads nothing. It
 * must not be taken for why the step that lacks input has failed, nor for the reason of a later
 * failure. From 3.6 on a staple that cannot be parsed leaves something, for one. Between the header of
 * a record and the rest nothing is queued. */
static int bio_read(BIO *bio, char *p, size_t n, size_t *got)
{
    sessl_conn *c = BIO_get_data(bio);

    if (n == SSL3_RT_HEADER_LENGTH)
        sessl_err_clear();
    BIO_clear_retry_flags(bio);
    if (sessl_conn_answered(c) || sessl_conn_holds(c)) {
        BIO_set_retry_read(bio);
        return 0;
    }
    if (c->in.p != NULL) {
        *got = from_buffer(c, p, n);
    } else if (c->feed_len > 0) {
        n = n < c->feed_len ? n : c->feed_len;
        memcpy(p, c->feed, n);
        c->feed += n;
        c->feed_len -= n;
        *got = n;
    } else if (read_ahead(c)) {
        *got = from_buffer(c, p, n);
    } else {
        /* The end of the socket too: libssl would take it for a fatal error and
         * invalidate the session, but it is for the caller to say. */
        BIO_set_retry_read(bio);
        return 0;
    }
    note_first(c, p, *got);
    if (c->hello_use == SESSL_HELLO_ASK && c->hello_state == SESSL_HELLO_FIRST
        && !sessl_buf_append(&c->replay, (const uint8_t *)p, *got)) {
        c->alloc_failed = 1;
        return 0;
    }
    return 1;
}

/* Always accepts, so libssl never sees WANT_WRITE; the Go side bounds what waits. */
static int bio_write(BIO *bio, const char *p, size_t n, size_t *put)
{
    sessl_conn *c = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (c->mute) {
        *put = n;
        return 1;
    }
    if (c->server)
        sessl_hold_spoken(c, (const uint8_t *)p, n);
    if (c->out.p == NULL && c->sink_cap - c->sink_len >= n) {
        memcpy(c->sink + c->sink_len, p, n);
        c->sink_len += n;
    } else if (!sessl_buf_append(&c->out, (const uint8_t *)p, n)) {
        c->alloc_failed = 1;
        return 0;
    } else if (!c->writes) {
        c->answers += n;
    }
    *put = n;
    return 1;
}

/* Lends the BIO the step's input and output. Output that waits goes out first. */
void sessl_conn_begin(sessl_conn *c, int fd, const uint8_t *in, size_t in_len, uint8_t *sink, size_t sink_cap)
{
    size_t wait = c->out.tail - c->out.head, n = wait < sink_cap ? wait : sink_cap;

    c->fd = fd;
    c->received = 0;
    c->writes = 0;
    c->more = 0;
    c->recv_errno = c->send_errno = c->recv_eof = 0;
    c->feed = in;
    c->feed_len = in_len;
    c->sink = sink;
    c->sink_cap = sink_cap;
    c->sink_len = n;
    if (sink_cap > 0)
        c->lent = 0;
    if (n == 0)
        return;
    memcpy(sink, c->out.p + c->out.head, n);
    c->out.head += n;
    if (c->out.head == c->out.tail) {
        sessl_buf_free(&c->out);
        c->lent = c->answers;
        c->answers = 0;
    }
}

/* No client hears of a session before the cache in Go has it: the client may come back at once. Go
 * says when it has. Steps that are there to send something take with them what is in front of it. */
static int must_keep_first(const sessl_conn *c)
{
    return c->unkept;
}

/* Whether a read could come to nothing but SESSL_WANT_READ without more input. */
static int is_dry(const sessl_conn *c, const sessl_step *st)
{
    return (st->status == SESSL_OK || st->status == SESSL_WANT_READ) && !st->midway && !st->answered
        && !c->fatal && (SSL_get_shutdown(c->ssl) & SSL_RECEIVED_SHUTDOWN) == 0 && c->in.p == NULL
        && !SSL_has_pending(c->ssl);
}

/* Sends output, keeps the input that libssl has not consumed, and says how the socket
 * did. Go's memory is not touched afterwards. */
void sessl_conn_end(sessl_conn *c, sessl_step *st)
{
    if (!sessl_buf_append(&c->in, c->feed, c->feed_len)) {
        c->alloc_failed = 1;
        st->status = SESSL_FAILED;
    }
    if (c->fd >= 0 && c->out.p != NULL && !must_keep_first(c))
        sessl_conn_send(c);
    if (st->status == SESSL_WANT_READ && c->recv_eof)
        st->status = SESSL_IO_EOF;
    if (st->status == SESSL_WANT_READ && c->recv_errno != 0)
        st->status = SESSL_IO_ERROR;
    st->recv_errno = c->recv_errno;
    st->send_errno = c->send_errno;
    st->out_len = c->sink_len;
    st->out_waiting = c->out.tail - c->out.head;
    if (st->out_waiting == 0)
        c->answers = 0;
    st->answers = c->answers;
    st->fresh = c->fresh_n;
    st->removed = sessl_ctx_removed_waiting(c->ssl == NULL ? c->ctx : SSL_get_SSL_CTX(c->ssl));
    st->values = sessl_values_pending();
    st->more = c->more;
    /* libssl pauses for early data. */
    st->midway = c->early != SESSL_EARLY_NONE || c->ssl == NULL || SSL_in_init(c->ssl);
    st->ask = c->ask;
    st->answered = sessl_conn_answered(c);
    st->dry = is_dry(c, st);
    if (!st->midway) { /* what was asked in a handshake, or later, has been answered */
        c->chosen = 0;
        sessl_buf_free(&c->hello);
        sessl_conn_forget_message(c);
    }
    c->fd = -1;
    c->feed = NULL;
    c->sink = NULL;
    c->feed_len = c->sink_len = c->sink_cap = 0;
    sessl_err_clear(); /* also success may leave some behind */
}

/* Output that could not be sent: back to where it came from, before all that waits. */
int sessl_conn_put_back(sessl_conn *c, const uint8_t *p, size_t n)
{
    sessl_buf b = {0};

    if (!sessl_buf_append(&b, p, n)
        || !sessl_buf_append(&b, c->out.p + c->out.head, c->out.tail - c->out.head)) {
        sessl_buf_free(&b);
        sessl_err_clear();
        return 0;
    }
    sessl_buf_free(&c->out);
    c->out = b;
    c->answers += c->lent < n ? c->lent : n;
    return 1;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio, (void)num, (void)ptr;
    return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void make_method(void)
{
    /* -1 without memory, and then for ever. The number serves BIO_find_type, which is
     * not called for this BIO: it may as well have none. */
    int index = BIO_get_new_index();
    BIO_METHOD *m = BIO_meth_new((index < 0 ? 0 : index) | BIO_TYPE_SOURCE_SINK, "sessl");

    if (m == NULL)
        return;
    if (!BIO_meth_set_read_ex(m, bio_read) || !BIO_meth_set_write_ex(m, bio_write)
        || !BIO_meth_set_ctrl(m, bio_ctrl)) {
        BIO_meth_free(m);
        return;
    }
    method = m;
}

/* Lives as long as the process. NULL without memory; the next call tries again. */
const BIO_METHOD *sessl_bio_method(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    pthread_mutex_lock(&lock);
    if (method == NULL)
        make_method();
    pthread_mutex_unlock(&lock);
    return method;
}
