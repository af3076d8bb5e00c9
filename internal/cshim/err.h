/* Errors. */
#ifndef SESSL_ERR_H
#define SESSL_ERR_H

#include "base.h"

#define SESSL_ERR_MAX 5
#define SESSL_ERR_DATA 96

typedef struct sessl_err {
    int n;         /* entries below, oldest first */
    int ssl_error; /* SSL_get_error, or 0 */
    int no_memory; /* an allocation failed, queued or not */
    long verify;   /* X509_V_* when a peer was refused */
    unsigned long code[SESSL_ERR_MAX];
    char data[SESSL_ERR_MAX][SESSL_ERR_DATA];
} sessl_err;

/* ---- err.c: the error queue of the calling thread ---- */

unsigned long sessl_err_peek(void);
void sessl_err_leave_one_behind(void);
int sessl_err_reason(unsigned long code);
int sessl_err_is(unsigned long code, int lib, int reason);
const char *sessl_err_fallback(unsigned long code);

#endif
