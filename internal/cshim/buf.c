#include "private.h"

/* Bytes that are put together, and bytes that are taken apart: numbers in network order, and fields behind
 * their length. */

/* Buffers exist only while they hold something, and grow with that. */
#define BUF_MIN 512

int sessl_buf_reserve(sessl_buf *b, size_t n)
{
    size_t have = b->tail - b->head, cap;
    uint8_t *p;

    if (b->cap - b->tail >= n)
        return 1;
    if (b->cap >= have + n) {
        memmove(b->p, b->p + b->head, have);
    } else {
        if (n > SIZE_MAX / 4 - have)
            return 0;
        cap = b->cap > 0 ? b->cap : n > BUF_MIN ? n : BUF_MIN;
        while (cap < have + n)
            cap *= 2;
        p = OPENSSL_malloc(cap);
        if (p == NULL)
            return 0;
        if (have > 0)
            memcpy(p, b->p + b->head, have);
        OPENSSL_free(b->p);
        b->p = p;
        b->cap = cap;
    }
    b->head = 0;
    b->tail = have;
    return 1;
}

int sessl_buf_append(sessl_buf *b, const uint8_t *p, size_t n)
{
    if (n == 0)
        return 1;
    if (!sessl_buf_reserve(b, n))
        return 0;
    memcpy(b->p + b->tail, p, n);
    b->tail += n;
    return 1;
}

void sessl_buf_free(sessl_buf *b)
{
    OPENSSL_free(b->p);
    memset(b, 0, sizeof(*b));
}

/* Appends n big-endian bytes of v. */
int sessl_buf_number(sessl_buf *b, size_t v, int n)
{
    uint8_t bytes[4];
    int i;

    for (i = n - 1; i >= 0; i--, v >>= 8)
        bytes[i] = (uint8_t)v;
    return sessl_buf_append(b, bytes, (size_t)n);
}

/* Appends p behind its length in width bytes. */
int sessl_buf_counted(sessl_buf *b, const uint8_t *p, size_t n, int width)
{
    return sessl_buf_number(b, n, width) && sessl_buf_append(b, p, n);
}

const uint8_t *sessl_take(sessl_reader *r, size_t n)
{
    const uint8_t *p = r->p;

    if (r->bad || (size_t)(r->end - p) < n) {
        r->bad = 1;
        return NULL;
    }
    r->p += n;
    return p;
}

uint64_t sessl_take_number(sessl_reader *r, int width)
{
    const uint8_t *p = sessl_take(r, (size_t)width);
    uint64_t v = 0;
    int i;

    for (i = 0; p != NULL && i < width; i++)
        v = v << 8 | p[i];
    return v;
}

const uint8_t *sessl_take_counted(sessl_reader *r, int width, size_t *n)
{
    *n = (size_t)sessl_take_number(r, width);
    return sessl_take(r, *n);
}
