/* Encrypted Client Hello (RFC 9849). */
#ifndef SESSL_ECH_H
#define SESSL_ECH_H

#include "conn.h"

/* ---- ech.c ---- */

/* How far a connection is with it: bits of sessl_conn's ech. */
#define SESSL_ECH_SERVED 1   /* a server's: it has keys */
#define SESSL_ECH_OFFERED 2  /* a client's, and it goes on with nothing else */
#define SESSL_ECH_ASKS 4     /* the application judges who refuses it */
#define SESSL_ECH_PROVIDER 8 /* it is refused: the certificate is to be that of the public name */
#define SESSL_ECH_REFUSED 16 /* and is */

/* Keys and configurations: an OSSL_ECHSTORE. It does not change once it is in use. */
typedef struct sessl_ech_keys sessl_ech_keys;

sessl_ech_keys *sessl_ech_keys_new(sessl_err *e);
int sessl_ech_keys_add(sessl_ech_keys *k, const uint8_t *pem, size_t n, int retry, sessl_err *e);
void sessl_ech_keys_free(sessl_ech_keys *k);
int sessl_ctx_set_ech_configs(SSL_CTX *ctx, const uint8_t *list, size_t n, sessl_err *e);
void sessl_ctx_set_ech_grease(SSL_CTX *ctx);
int sessl_conn_set_ech_keys(sessl_conn *c, const sessl_ech_keys *k, sessl_err *e);
int sessl_conn_ech_accepted(const sessl_conn *c);
int sessl_conn_ech_retry(sessl_conn *c, uint8_t **out);
char *sessl_conn_ech_public_name(const sessl_conn *c);
int sessl_conn_ech_is_refused(const sessl_conn *c);

#endif
