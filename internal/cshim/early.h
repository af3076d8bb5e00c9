/* A part of cshim.h. */
#ifndef SESSL_EARLY_H
#define SESSL_EARLY_H

/* ---- early.c: what is sent before the handshake is complete ---- */

/* How far a connection is with it. */
#define SESSL_EARLY_NONE 0  /* none is asked for, or the handshake is complete */
#define SESSL_EARLY_BEGUN 1 /* Go reads, or has written, early data */
#define SESSL_EARLY_OPEN 2  /* a server has accepted it, and may write too */

#define SESSL_EARLY_END 8 /* a step's status: there is no more early data */

int sessl_ctx_set_early(SSL_CTX *ctx, uint32_t max, int guarded, sessl_err *e);
void sessl_conn_read_early(sessl_conn *c, int fd, const uint8_t *in, size_t in_len, uint8_t *p, size_t n, sessl_step *st);
void sessl_conn_write_early(sessl_conn *c, const uint8_t *p, size_t n, sessl_step *st);
int sessl_conn_early_status(sessl_conn *c);
int sessl_conn_set_max_early(sessl_conn *c, uint32_t max, sessl_err *e);
int sessl_conn_set_skip_early(sessl_conn *c, uint32_t n, sessl_err *e);
int sessl_conn_export_early(sessl_conn *c, uint8_t *out, size_t n, const char *label, size_t label_len, const uint8_t *context, size_t context_len, sessl_err *e);
void sessl_conn_limit_early(sessl_conn *c, SSL_SESSION *s);

#endif
