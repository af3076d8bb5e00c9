/* The C side of sessl. Every function that can fail clears the thread's error queue first and
 * leaves it empty: what OpenSSL queued is moved into a sessl_err before the call returns, because
 * a goroutine may be on another thread by the time of its next call. Nothing here calls Go but breath.c.
 *
 * Each header is a room, and names the files that it is about; a function stands under the heading
 * of the file that has it. Go sees these headers. What only C calls is in private.h. */
#ifndef SESSL_BASE_H
#define SESSL_BASE_H

#include <stddef.h>
#include <stdint.h>

#include <openssl/ossl_typ.h>
#include <openssl/safestack.h>

#include "compat.h"

/* The names of types are enough for what Go sees here, and cgo compiles each Go file's headers several
 * times. Whoever calls libssl, too, includes <openssl/ssl.h>. */
typedef struct ssl_session_st SSL_SESSION;

typedef struct sessl_cert sessl_cert;
typedef struct sessl_conn sessl_conn;
typedef struct sessl_psk sessl_psk;
typedef struct sessl_signing sessl_signing;
typedef struct sessl_tbs sessl_tbs;

/* ---- init.c: what all others need ---- */

void sessl_init(void);

#endif
