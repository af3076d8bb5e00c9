#include "private.h"

/* What our servers keep in a ticket besides the session, in what libssl calls ticket appdata.
 * It is encrypted and authenticated with the rest of the ticket, so a frame is as good as the
 * keys; but those may be another server's too, whose tickets have none or its own.
 *
 *   4 bytes  "sSl" and the version
 *   8 bytes  when the full handshake was, in Unix seconds; 0: not known
 *   8 bytes  from when on it must not be resumed; 0: no such time
 *   1 byte   whether a chain is kept
 *   3 bytes  its length
 *            the chain: see chain.c
 *            what the application has to say */

static const uint8_t magic[4] = {'s', 'S', 'l', 1};

/* 1 when s has a frame; what is not one, or not of this version, counts as none. */
int sessl_session_frame(SSL_SESSION *s, sessl_frame *f)
{
    sessl_reader r = {0};
    const uint8_t *p = NULL, *chain;
    size_t n = 0;
    int has_chain;

    memset(f, 0, sizeof(*f));
    if (!SSL_SESSION_get0_ticket_appdata(s, (void **)&p, &n) || n < sizeof(magic)
        || memcmp(p, magic, sizeof(magic)) != 0)
        return 0;
    r.p = p + sizeof(magic);
    r.end = p + n;
    f->born = (int64_t)sessl_take_number(&r, 8);
    f->deadline = (int64_t)sessl_take_number(&r, 8);
    has_chain = (int)sessl_take_number(&r, 1);
    chain = sessl_take_counted(&r, 3, &f->chain_len);
    f->chain = has_chain ? chain : NULL;
    f->data = r.p;
    f->data_len = (size_t)(r.end - r.p);
    if (!r.bad && has_chain <= 1 && f->born >= 0 && f->born <= SESSL_TIME_MAX && f->deadline >= 0
        && f->deadline <= 2 * SESSL_TIME_MAX)
        return 1;
    memset(f, 0, sizeof(*f));
    return 0;
}

static int put_time(sessl_buf *b, int64_t t)
{
    return sessl_buf_number(b, (size_t)((uint64_t)t >> 32), 4)
        && sessl_buf_number(b, (size_t)((uint64_t)t & 0xffffffff), 4);
}

int sessl_session_set_frame(SSL_SESSION *s, const sessl_frame *f)
{
    sessl_buf b = {0};
    int ok;

    ok = sessl_buf_append(&b, magic, sizeof(magic)) && put_time(&b, f->born) && put_time(&b, f->deadline)
        && sessl_buf_number(&b, f->chain != NULL, 1) && sessl_buf_counted(&b, f->chain, f->chain_len, 3)
        && sessl_buf_append(&b, f->data, f->data_len)
        && SSL_SESSION_set1_ticket_appdata(s, b.p + b.head, b.tail - b.head); /* copies */
    sessl_buf_free(&b);
    return ok;
}
