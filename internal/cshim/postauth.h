/* Post-handshake authentication: postauth.c. A part of cshim.h. */
#ifndef SESSL_POSTAUTH_H
#define SESSL_POSTAUTH_H

/* How far the client is with what it was asked after the handshake. */
#define SESSL_AUTH_NONE 0
#define SESSL_AUTH_ASKED 1
#define SESSL_AUTH_ANSWERED 2 /* and Go has not judged yet */

/* What asking came to. */
#define SESSL_REQUEST_FAILED 0  /* the connection has ended */
#define SESSL_REQUEST_SENT 1    /* the request waits for output */
#define SESSL_REQUEST_REFUSED 2 /* by libssl, and nothing has happened */

void sessl_ctx_offer_auth(SSL_CTX *ctx);
void sessl_ctx_auth_later(SSL_CTX *ctx);
int sessl_conn_ask_auth(sessl_conn *c, int hold, sessl_err *e);
int sessl_conn_answered(const sessl_conn *c);
void sessl_conn_auth_done(sessl_conn *c);
int sessl_conn_disown_answer(const sessl_conn *c, SSL_SESSION *s);

#endif
