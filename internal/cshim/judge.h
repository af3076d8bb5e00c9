/* A part of cshim.h. */
#ifndef SESSL_JUDGE_H
#define SESSL_JUDGE_H

/* ---- verify.c, trust.c, lastword.c: the verdict on the peer's certificate, and the application's word ---- */

#define SESSL_MODULUS_MAX 8192 /* bits of a key of RSA or DSA that a peer shows */

void sessl_ctx_set_verify(SSL_CTX *ctx, int request, int require, int check, int judge);
int sessl_verify_cb(int ok, X509_STORE_CTX *store);
int sessl_conn_judged_cert(sessl_conn *c, int built, int i, uint8_t **out);
void sessl_conn_judged(sessl_conn *c);
int sessl_ctx_have_last_word(SSL_CTX *ctx);
void sessl_conn_last_word(sessl_conn *c, int alert);
void sessl_conn_forget_chains(sessl_conn *c);
void sessl_conn_blame(sessl_conn *c, X509 *cert, int depth);
int sessl_conn_bad_cert(sessl_conn *c, uint8_t **out);

#endif
