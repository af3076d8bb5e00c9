/* Whether a session may be offered: offer.c. A part of cshim.h. */
#ifndef SESSL_OFFER_H
#define SESSL_OFFER_H

#define SESSL_FIT_OK 0
#define SESSL_FIT_NOT 1   /* not in a ClientHello of this connection */
#define SESSL_FIT_NEVER 2 /* in none */

int sessl_has_version(SSL *ssl, int min, int max);
int sessl_conn_fits(sessl_conn *c, SSL_SESSION *s);

#endif
