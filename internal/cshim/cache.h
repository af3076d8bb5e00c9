/* A part of cshim.h. */
#ifndef SESSL_CACHE_H
#define SESSL_CACHE_H

/* ---- cache.c: sessions that a server keeps outside of libssl ---- */

void sessl_ctx_ask_for_sessions(SSL_CTX *ctx);
void sessl_conn_found(sessl_conn *c, SSL_SESSION *s);
void sessl_conn_drop_found(sessl_conn *c);
size_t sessl_session_size(const SSL_SESSION *s);

#endif
