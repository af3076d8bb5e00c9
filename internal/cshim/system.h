/* What openssl.cnf settles for every SSL_CTX: system.c. A part of cshim.h. */
#ifndef SESSL_SYSTEM_H
#define SESSL_SYSTEM_H

/* Bits of options, for Go: what openssl.cnf turns on, and what it turns off. */
#define SESSL_OPT_TLS10 1 /* a version that is disabled, and so on */
#define SESSL_OPT_TLS11 2
#define SESSL_OPT_TLS12 4
#define SESSL_OPT_TLS13 8
#define SESSL_OPT_NO_TICKET 16
#define SESSL_OPT_SERVER_PREFERENCE 32

typedef struct sessl_system {
    int has_min, has_max; /* MinProtocol, MaxProtocol */
    int min, max;         /* 0: none, as the file says */
    int suites12, suites13; /* CipherString, Ciphersuites */
    int first13;          /* the number of the first suite of TLS 1.3 */
    int tickets;          /* NumTickets; -1: not settled */
    int on, off;          /* options */
    int verify;           /* VerifyMode, SSL_VERIFY_* */
} sessl_system;

int sessl_cipher_is13(const SSL_CIPHER *c);
int sessl_system_of(int server, sessl_system *out, sessl_err *e);

#endif
