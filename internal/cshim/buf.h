/* Bytes that grow. */
#ifndef SESSL_BUF_H
#define SESSL_BUF_H

#include "base.h"

typedef struct sessl_buf {
    uint8_t *p;
    size_t head, tail, cap;
} sessl_buf;

/* ---- buf.c: buffers, and fields behind their length ---- */

void sessl_buf_free(sessl_buf *b);

#endif
