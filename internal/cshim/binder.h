/* A part of cshim.h. */
#ifndef SESSL_BINDER_H
#define SESSL_BINDER_H

/* ---- binder.c: whether a client has the session whose ticket it shows ---- */

struct sessl_conn;
int sessl_conn_binder_good(struct sessl_conn *c, const uint8_t *id, size_t n, int want_fips, const char *query);
SSL_SESSION *sessl_conn_open_ticket(struct sessl_conn *c, const uint8_t *p, size_t n, int want_fips, const char *query);
EVP_MD *sessl_md(const char *name, int want_fips, const char *query);
void sessl_md_free(EVP_MD *md);

#endif
