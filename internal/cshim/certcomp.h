/* Compressed certificates (RFC 8879). */
#ifndef SESSL_CERTCOMP_H
#define SESSL_CERTCOMP_H

#include "err.h"

/* ---- certcomp.c: what a side wants of it ---- */

/* Whose certificate was compressed: bits of sessl_conn's compressed. */
#define SESSL_COMPRESSED_OURS 1
#define SESSL_COMPRESSED_THEIRS 2

int sessl_certcomp_is_bounded(unsigned long version);
void sessl_ctx_refuse_certcomp(SSL_CTX *ctx, int both);
int sessl_ctx_set_certcomp(SSL_CTX *ctx, const uint16_t *algs, size_t n, size_t *missing, sessl_err *e);

/* ---- certpack.c: a server's certificates, compressed ---- */

uint64_t sessl_compressions(void);

#endif
