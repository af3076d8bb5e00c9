#include "private.h"

/* How long a session may be resumed. */

void sessl_session_get_life(const SSL_SESSION *s, sessl_life *l)
{
    unsigned long hint = SSL_SESSION_get_ticket_lifetime_hint(s);

    l->version = SSL_SESSION_get_protocol_version(s);
    l->hint = hint > UINT32_MAX ? UINT32_MAX : (uint32_t)hint;
    l->began = sessl_session_get_time(s);
    l->timeout = SSL_SESSION_get_timeout(s);
}

/* s must not be resumed later than in that many seconds from now. Its clock may have begun
 * before: a TLS 1.2 session keeps its time when its ticket is renewed. */
void sessl_cap_life(SSL_SESSION *s, int64_t left)
{
    int64_t began = sessl_session_get_time(s), now = sessl_now(), timeout;

    if (left <= 0) {
        sessl_session_set_time(s, 1);
        SSL_SESSION_set_timeout(s, 1); /* 0 would become 3 in its encoding */
        return;
    }
    timeout = now > began ? left + now - began : left;
    if (timeout < SSL_SESSION_get_timeout(s))
        SSL_SESSION_set_timeout(s, (long)timeout);
}

/* A server's session must not outlive the certificates it vouches for, nor the revocation
 * lists that let it pass: once those have expired, the client is to get a full handshake,
 * not a refusal each time it comes. */
void sessl_cap_timeout(SSL *ssl, SSL_SESSION *s)
{
    X509 *leaf = SSL_SESSION_get0_peer(s); /* borrowed from the session */
    int64_t until = sessl_ctx_trust_until(SSL_get_SSL_CTX(ssl)), chain = sessl_chain_until(ssl);

    if (leaf == NULL)
        return;
    sessl_cap_life(s, sessl_cert_left(leaf));
    if (chain != 0)
        sessl_cap_life(s, chain - sessl_now());
    if (until != 0)
        sessl_cap_life(s, until - sessl_now());
}
