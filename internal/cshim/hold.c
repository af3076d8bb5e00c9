#include "private.h"

/* libssl takes some 50 KB for a client's first byte, and 128 KB more for four bytes that
 * announce a long ClientHello, and keeps them for as long as the client likes. So a server
 * keeps from libssl what has come, as it comes, until a ClientHello is there as a whole. What
 * is not the beginning of one is libssl's to refuse at once.
 *
 * 1.1.1w, 3.0, 3.5, 3.6 and 4.0 have no function that bounds a ClientHello, and none that refuses one
 * before it is there as a whole. What must be refused is therefore changed, to a length or a type that
 * libssl refuses by itself, with the alert that the client is to get. */

#define RECORD_HEAD 5
#define RECORD_MAX (SSL3_RT_MAX_PLAIN_LENGTH + 2048) /* longer ones libssl refuses by their heads */
#define RAW_MAX (2 * SESSL_HELLO_MAX)                /* of a hello in small records */
#define MESSAGE_HEAD 4
#define SSL2_CLIENT_HELLO 1
#define NO_TYPE 0x7F /* of a record: libssl refuses it with unexpected_message */

#define PART 0  /* more has to come */
#define WHOLE 1 /* and nothing is held any more */

static const uint8_t retry_request[32] = {
    0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
    0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
};

/* A server's output. After a HelloRetryRequest, which is a ServerHello with a certain random,
 * another ClientHello is due. */
void sessl_hold_spoken(sessl_conn *c, const uint8_t *p, size_t n)
{
    size_t random = RECORD_HEAD + MESSAGE_HEAD + 2;

    if (c->hold.spoke)
        return;
    sessl_conn_forget_message(c);
    memset(&c->hold, 0, sizeof(c->hold));
    c->hold.spoke = 1;
    c->hold.due = c->hold.again = p[0] == SSL3_RT_HANDSHAKE && n >= random + sizeof(retry_request)
        && p[RECORD_HEAD] == SSL3_MT_SERVER_HELLO
        && memcmp(p + random, retry_request, sizeof(retry_request)) == 0;
}

/* Notes the message bytes in a record of n, which begins i bytes from the head on. */
static int look_at_message(sessl_conn *c, size_t i, size_t n)
{
    uint8_t *in = c->in.p + c->in.head;
    sessl_hold *h = &c->hold;
    size_t len, k;

    for (k = 0; k < n && h->have + k < MESSAGE_HEAD; k++)
        h->where[h->have + k] = i + k;
    h->have += n;
    if (h->have > 0 && in[h->where[0]] != SSL3_MT_CLIENT_HELLO)
        return WHOLE;
    if (h->have < MESSAGE_HEAD)
        return PART;
    len = (size_t)in[h->where[1]] << 16 | (size_t)in[h->where[2]] << 8 | in[h->where[3]];
    if (len <= SESSL_HELLO_MAX && h->seen - h->pass <= RAW_MAX)
        return h->have >= MESSAGE_HEAD + len ? WHOLE : PART;
    /* libssl refuses this length before it allocates anything, with an error and an alert. */
    for (k = 1; k < MESSAGE_HEAD; k++)
        in[h->where[k]] = 0xFF;
    return WHOLE;
}

/* Whether a record of n is an alert behind which nothing is read. */
static int is_end(const uint8_t *p, size_t n)
{
    const uint8_t *alert = p + RECORD_HEAD;

    return p[0] == SSL3_RT_ALERT && n == 2 && (alert[0] == SSL3_AL_FATAL || alert[1] == SSL_AD_CLOSE_NOTIFY);
}

/* Looks at what has come. */
static int look(sessl_conn *c)
{
    sessl_hold *h = &c->hold;
    size_t have, n;

    while ((have = c->in.tail - c->in.head - h->seen) >= RECORD_HEAD) {
        uint8_t *p = c->in.p + c->in.head + h->seen;

        if (p[0] & 0x80 && p[2] == SSL2_CLIENT_HELLO) /* a ClientHello in the form of SSL 2 */
            return have < 2 + ((size_t)(p[0] & 0x7F) << 8 | p[1]) ? PART : WHOLE;
        n = (size_t)p[3] << 8 | p[4];
        if (p[1] != SSL3_VERSION_MAJOR || n > RECORD_MAX)
            return WHOLE;
        if (have < RECORD_HEAD + n)
            return PART;
        if (p[0] == SSL3_RT_HANDSHAKE && h->pass > 0)
            return PART; /* what is before it goes first: it moves the head, from which where counts */
        h->seen += RECORD_HEAD + n;
        if (p[0] == SSL3_RT_HANDSHAKE) {
            if (look_at_message(c, h->seen - n, n) == WHOLE)
                return WHOLE;
        } else if (h->again && h->have == 0) {
            h->pass = h->seen; /* early data that is skipped, or the client's change_cipher_spec */
        } else {
            /* libssl reads past some of them, and would have the rest of the hello in parts. */
            if (!is_end(p, n))
                p[0] = NO_TYPE;
            return WHOLE;
        }
        if (h->seen - h->pass > RAW_MAX)
            return WHOLE;
    }
    return PART;
}

/* Takes in some of what is there; 0 for nothing. */
static int take_in(sessl_conn *c)
{
    uint8_t b[4096];
    size_t got = c->feed_len;

    if (got > 0) {
        c->alloc_failed |= !sessl_buf_append(&c->in, c->feed, got);
        c->feed_len = 0;
        return !c->alloc_failed;
    }
    got = sessl_conn_recv(c, b, sizeof(b));
    c->alloc_failed |= !sessl_buf_append(&c->in, b, got);
    return got > 0 && !c->alloc_failed;
}

/* Keeps a hello that is whole, without the heads of its records. */
static void keep_message(sessl_conn *c)
{
    const sessl_hold *h = &c->hold;
    const uint8_t *in = c->in.p + c->in.head;
    size_t i, n;

    if (h->again || h->have < MESSAGE_HEAD || !(c->guarded || c->hello_use == SESSL_HELLO_ASK))
        return;
    for (i = 0; i < h->seen; i += RECORD_HEAD + n) {
        n = (size_t)in[i + 3] << 8 | in[i + 4];
        c->alloc_failed |= !sessl_buf_append(&c->hold.message, in + i + RECORD_HEAD, n);
    }
}

void sessl_conn_forget_message(sessl_conn *c)
{
    sessl_buf_free(&c->hold.message);
}

/* 1 as long as libssl must do without the bytes that have come, after all has been taken in. */
int sessl_conn_holds(sessl_conn *c)
{
    int is = PART;

    if (!c->hold.due)
        return 0;
    while ((is = look(c)) == PART && c->hold.pass == 0)
        if (!take_in(c))
            return 1;
    if (is == WHOLE)
        keep_message(c);
    c->hold.due = is == PART;
    return 0;
}
