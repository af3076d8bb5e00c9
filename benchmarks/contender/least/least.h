#include <openssl/ssl.h>

SSL_CTX *least_ctx(int server, int version, const char *cert, const char *key, const char *ca, int verify,
                   int by_id);
SSL *least_new(SSL_CTX *ctx, int fd, int server, const char *name, SSL_SESSION *session);
int least_handshake(SSL *ssl);
int least_read(SSL *ssl, void *p, int n);
int least_write(SSL *ssl, const void *p, int n);
void least_close(SSL *ssl);
int least_keep(SSL *ssl, SSL_SESSION **kept);
