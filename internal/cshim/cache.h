/* The sessions that a server keeps. */
#ifndef SESSL_CACHE_H
#define SESSL_CACHE_H

#include "buf.h"
#include "err.h"

/* ---- cache.c: sessions that a server keeps outside of libssl ---- */

void sessl_ctx_ask_for_sessions(SSL_CTX *ctx, int tickets);
void sessl_conn_found(sessl_conn *c, SSL_SESSION *s);
size_t sessl_session_size(const SSL_SESSION *s);

/* ---- removed.c: sessions that libssl has removed ---- */

int sessl_ctx_report_removed(SSL_CTX *ctx, sessl_err *e);
void sessl_ctx_take_removed(SSL_CTX *ctx, sessl_buf *out);

#endif
