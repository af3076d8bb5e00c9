#include "private.h"

#include <openssl/rand.h>
#include <strings.h>
#include <time.h>

/* What a server wants of its sessions, for callbacks that cannot ask. */

int sessl_policy_slot = -1;

/* The clock of libcrypto and libssl, in Unix seconds: the only call of time. */
int64_t sessl_now(void)
{
    return (int64_t)time(NULL);
}

#define ID_TRIES 10 /* as many as libssl makes */

/* SSL_CTX_set_generate_session_id. An id that is taken would end the handshake; libssl knows
 * those in its own cache. */
static int make_id(SSL *ssl, unsigned char *id, unsigned *n)
{
    const sessl_policy *p = sessl_ctx_policy(SSL_get_SSL_CTX(ssl));
    int i;

    if (*n <= p->prefix_len + SESSL_ID_MAC)
        return 0;
    memcpy(id, p->prefix, p->prefix_len);
    for (i = 0; i < ID_TRIES; i++) {
        if (RAND_bytes(id + p->prefix_len, (int)(*n - p->prefix_len)) <= 0
            || (p->ids != NULL && !sessl_id_keys_mark(p->ids, id, *n)))
            return 0;
        if (!SSL_has_matching_session_id(ssl, id, *n))
            return 1;
    }
    return 0;
}

/* The server has seen the ClientHello: a veto counts from here on or not at all, and so do the keys of
 * its tickets. TLS 1.3 takes a veto for a full handshake only, so the tickets of a resumption are held
 * back here. Without a key libssl before 3.0.6 would send a ticket of TLS 1.3 that cannot be read. */
void sessl_conn_settle(sessl_conn *c, SSL *ssl)
{
    int seals = sessl_conn_hold_keys(c, ssl);

    c->appdata.settled = 1;
    if (!seals && !c->appdata.veto && SSL_get_num_tickets(ssl) > 0)
        c->withheld |= SESSL_WITHHELD_13;
    if (!seals || c->appdata.veto)
        SSL_set_num_tickets(ssl, 0);
}

/* Freed with ctx, which takes a reference of its own on p->ids. */
int sessl_ctx_set_policy(SSL_CTX *ctx, const sessl_policy *p, sessl_err *e)
{
    sessl_policy *own;
    int ok;

    sessl_err_begin(e);
    own = OPENSSL_memdup(p, sizeof(*p));
    ok = own != NULL && SSL_CTX_set_ex_data(ctx, sessl_policy_slot, own);
    if (ok)
        sessl_id_keys_up_ref(p->ids); /* +1, the policy's */
    if (ok && (p->prefix_len > 0 || p->ids != NULL))
        SSL_CTX_set_generate_session_id(ctx, make_id);
    if (!ok) {
        OPENSSL_free(own);
        e->no_memory = 1;
    }
    sessl_err_take(e);
    return ok;
}

void sessl_policy_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    sessl_policy *p = ptr;

    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    if (p != NULL)
        sessl_id_keys_free(p->ids); /* -1 */
    OPENSSL_free(p);
}

/* NULL for the SSL_CTX of a client. Borrowed from ctx. */
const sessl_policy *sessl_ctx_policy(const SSL_CTX *ctx)
{
    return SSL_CTX_get_ex_data(ctx, sessl_policy_slot);
}

/* The name in the server_name extension of the hello that libssl is looking at; NULL for none. */
static const uint8_t *asked_host(SSL *ssl, size_t *n)
{
    const unsigned char *p;
    sessl_reader r = {0};
    uint64_t type;

    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, n)) /* borrowed */
        return NULL;
    r.p = p;
    r.end = p + *n;
    sessl_take_number(&r, 2);
    type = sessl_take_number(&r, 1);
    p = sessl_take_counted(&r, 2, n);
    return r.bad || type != TLSEXT_NAMETYPE_host_name ? NULL : p;
}

/* Whether s, which the client wants to resume, is of the host that it asks for. One of no
 * host is of all: other servers note none. So does a client resume that asks for none: RFC
 * 6066, section 3, forbids another name, and tools leave out names without a dot. */
int sessl_session_names_host(SSL *ssl, const SSL_SESSION *s)
{
    const char *host = SSL_SESSION_get0_hostname(s); /* borrowed */
    size_t n;
    const uint8_t *asked;

    if (host == NULL)
        return 1;
    asked = asked_host(ssl, &n);
    return asked == NULL || (n == strlen(host) && strncasecmp((const char *)asked, host, n) == 0);
}

int sessl_same_name(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* A session that no other has yet is of the host that its client has asked for: libssl
 * notes that only for a server with a callback for names. One that was resumed by a client
 * which has asked for none stays of the host that it was of. 0 without memory. */
int sessl_session_keep_host(SSL *ssl, SSL_SESSION *s)
{
    const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name); /* borrowed, perhaps from s */

    return host == NULL || sessl_same_name(host, SSL_SESSION_get0_hostname(s))
        || SSL_SESSION_set1_hostname(s, host); /* copies */
}
