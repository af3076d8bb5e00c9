#include "private.h"

#include <time.h>

/* Go's scheduler takes the processor from a goroutine that has been in C for more than about 20 us,
 * where no other processor is idle, and wakes a thread for it. In a handshake that costs more than all
 * of this library: so a handshake that computes for longer goes back to Go in between. What it calls
 * there only counts. It runs no code of the application, and libssl holds no lock in the callbacks from
 * which that is done. */

#define STRETCH 20000 /* ns */

static void (*breathe)(void);

void sessl_set_breath(void (*f)(void))
{
    breathe = f;
}

static int64_t monotonic(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void sessl_breath_begin(sessl_conn *c)
{
    c->stretch = c->breathes && c->signing == NULL ? monotonic() : 0; /* Go does not know that thread */
}

void sessl_breath_end(sessl_conn *c)
{
    c->stretch = 0;
}

/* Whether this side has just answered that it does not renegotiate. libssl goes on then, and says
 * nothing of it to its caller. */
static int declines(int where, int ret)
{
    return where == SSL_CB_WRITE_ALERT && (ret & 0xff) == SSL_AD_NO_RENEGOTIATION;
}

/* A client sends a ClientHello after the server's only where that was a HelloRetryRequest, of which
 * 1.1.1w, 3.0, 3.5, 3.6 and 4.0 do not tell otherwise. */
static void note_retry(sessl_conn *c, const SSL *ssl)
{
    OSSL_HANDSHAKE_STATE now = SSL_get_state(ssl);

    c->greeted |= now == TLS_ST_CR_SRVR_HELLO;
    c->retried |= c->greeted && now == TLS_ST_CW_CLNT_HELLO;
}

/* Nothing else tells, in 3.5, 3.6 and 4.0. After the handshake a client may show another certificate. */
static void note_certificate(sessl_conn *c, const SSL *ssl)
{
    switch (SSL_get_state(ssl)) {
    case TLS_ST_CW_CERT: c->shown = 1, c->compressed &= ~SESSL_COMPRESSED_OURS; break;
    case TLS_ST_SR_CERT: c->compressed &= ~SESSL_COMPRESSED_THEIRS; break;
#if SESSL_HAVE_CERT_COMPRESSION
    case TLS_ST_CW_COMP_CERT: c->shown = 1, c->compressed |= SESSL_COMPRESSED_OURS; break;
    case TLS_ST_SW_COMP_CERT: c->compressed |= SESSL_COMPRESSED_OURS; break;
    case TLS_ST_CR_COMP_CERT:
    case TLS_ST_SR_COMP_CERT: c->compressed |= SESSL_COMPRESSED_THEIRS; break;
#endif
    default: break;
    }
}

/* SSL_CTX_set_info_callback: libssl's machine has got to another state, or has sent an alert. */
void sessl_info_cb(const SSL *ssl, int where, int ret)
{
    sessl_conn *c = SSL_get_ex_data(ssl, sessl_ssl_slot);

    if (c != NULL && declines(where, ret))
        c->declined = 1;
    if (c != NULL && where == SSL_CB_CONNECT_LOOP)
        note_retry(c, ssl);
    if (c != NULL && (where == SSL_CB_CONNECT_LOOP || where == SSL_CB_ACCEPT_LOOP))
        note_certificate(c, ssl);
    if (c != NULL)
        sessl_conn_breathe(c);
}

void sessl_conn_breathe(sessl_conn *c)
{
    if (c->stretch == 0 || monotonic() - c->stretch < STRETCH)
        return;
    breathe();
    c->stretch = monotonic();
}
