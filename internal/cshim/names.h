/* What a peer must be called: names.c. A part of cshim.h. */
#ifndef SESSL_NAMES_H
#define SESSL_NAMES_H

/* A host, as Go has settled it: a name in lower case without a final dot, or an address. */
typedef struct sessl_host {
    char *name; /* owned; NULL for an address, and where nothing is demanded */
    size_t len;
    uint8_t ip[16];
    size_t ip_len; /* 4, also for an IPv4 address that IPv6 carries, or 16; 0 for a name */
} sessl_host;

int sessl_host_set(sessl_host *h, const char *name, size_t n, const uint8_t *ip, size_t ip_len);
void sessl_host_clear(sessl_host *h);
int sessl_host_asked(SSL *ssl, sessl_host *h);
int sessl_names_have(const GENERAL_NAMES *names, const sessl_host *h);
int sessl_cert_is_for(X509 *x, const sessl_host *h);
int sessl_der_is_for(const uint8_t *der, size_t n, const char *name, size_t name_len, const uint8_t *ip, size_t ip_len);
int sessl_session_peer_ok(SSL_SESSION *s, const sessl_host *h);

struct sessl_conn;
int sessl_conn_set_name(struct sessl_conn *c, const char *name, size_t n, const uint8_t *ip, size_t ip_len, int check, sessl_err *e);

#endif
