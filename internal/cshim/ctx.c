#include "private.h"

/* What openssl.cnf may settle otherwise. TLS 1.3 suites: AES-128 first; AES-256 with SHA-384 costs 11 %
 * more CPU per resumed handshake. TLS 1.2: forward secrecy and AEAD only. */
#define SUITES_13 "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"
#define SUITES_12                                                \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:" \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"

/* The message with a peer's certificates, in bytes, as crypto/tls has it; libssl's own 100 KB
 * refuse legal ones. */
#define CERTIFICATES_MAX (256L << 10)

/* The defaults of ours that openssl.cnf has not settled. */
static int set_defaults(SSL_CTX *ctx, int server, sessl_err *e)
{
    sessl_system s;

    if (!sessl_system_of(server, &s, e))
        return 0;
    if ((s.off & SESSL_OPT_SERVER_PREFERENCE) == 0)
        SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    return (s.suites12 || SSL_CTX_set_cipher_list(ctx, SUITES_12))
        && (s.suites13 || SSL_CTX_set_ciphersuites(ctx, SUITES_13));
}

static int configure(SSL_CTX *ctx, int server, sessl_err *e)
{
    long mode = server ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL;

    /* Without the CLIENT bit libssl reports no session to a client; its internal client
     * cache is never looked up and would invalidate held sessions when the Ctx ends. */
    SSL_CTX_set_session_cache_mode(ctx, mode);
    SSL_CTX_sess_set_new_cb(ctx, sessl_new_session_cb);
    SSL_CTX_set_info_callback(ctx, sessl_info_cb);
    SSL_CTX_set_max_cert_list(ctx, CERTIFICATES_MAX);
    if (server) {
        SSL_CTX_set_client_hello_cb(ctx, sessl_hello_cb, NULL);
        if (!sessl_ctx_set_stapling(ctx) || !sessl_ctx_frame_tickets(ctx) || !sessl_ctx_have_last_word(ctx))
            return 0;
    } else {
        SSL_CTX_set_psk_use_session_callback(ctx, sessl_use_session_cb);
    }
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);     /* what is sent is what was given: no chain is built */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION); /* no default: nothing here could go on after one */
    return set_defaults(ctx, server, e);
}

SSL_CTX *sessl_ctx_new(int server, int want_fips, const char *query, int *why, sessl_err *e)
{
    SSL_CTX *ctx;

    sessl_err_begin(e);
    ctx = sessl_ctx_make(server, want_fips, query, why); /* returns +1 */
    if (ctx != NULL && !configure(ctx, server, e)) {
        sessl_err_take(e); /* freeing clears the queue */
        SSL_CTX_free(ctx);
        ctx = NULL;
    }
    sessl_err_take(e);
    return ctx;
}

/* Off by default since 3.0. Before, libssl has it on, and openssl.cnf has no word for it. */
void sessl_ctx_set_legacy_server(SSL_CTX *ctx, int on)
{
    if (on)
        SSL_CTX_set_options(ctx, SSL_OP_LEGACY_SERVER_CONNECT);
    else if (!SESSL_HAVE_3_0)
        SSL_CTX_clear_options(ctx, SSL_OP_LEGACY_SERVER_CONNECT);
}

/* Ends the caller's reference. Emptying the cache allocates, and may fail at that. */
void sessl_ctx_free(SSL_CTX *ctx)
{
    SSL_CTX_free(ctx);
    sessl_err_clear();
}

static const uint64_t disables[] = {SSL_OP_NO_TLSv1, SSL_OP_NO_TLSv1_1, SSL_OP_NO_TLSv1_2, SSL_OP_NO_TLSv1_3};

/* 0 for a bound leaves what there is. enable has a bit for each version, from TLS 1.0 on, that
 * openssl.cnf may have disabled and the application wants. */
int sessl_ctx_set_versions(SSL_CTX *ctx, int min, int max, int enable, sessl_err *e)
{
    int ok, i;

    sessl_err_begin(e);
    for (i = 0; i < 4; i++)
        if ((enable & 1 << i) != 0)
            SSL_CTX_clear_options(ctx, disables[i]);
    ok = (min == 0 || SSL_CTX_set_min_proto_version(ctx, min))
        && (max == 0 || SSL_CTX_set_max_proto_version(ctx, max));
    sessl_err_take(e);
    return ok;
}

/* Appends name to the ':' list for its version; 0 when it does not fit. */
static int list_add(char *list, size_t cap, const char *name)
{
    size_t have = strlen(list), n = strlen(name);

    if (have + n + 2 > cap)
        return 0;
    if (have > 0)
        list[have++] = ':';
    memcpy(list + have, name, n + 1);
    return 1;
}

/* An empty list leaves the version's default suites as they are. -1: *bad is the id that
 * this library does not know. */
int sessl_ctx_set_ciphers(SSL_CTX *ctx, const uint16_t *ids, size_t n, uint16_t *bad, sessl_err *e)
{
    char v12[4096] = "", v13[1024] = "";
    size_t i;
    int ok;

    sessl_err_begin(e);
    *bad = 0;
    for (i = 0; i < n; i++) {
        const SSL_CIPHER *c = sessl_cipher_by_id(ctx, ids[i], e);
        int is13 = c != NULL && sessl_cipher_is13(c);

        if (c == NULL
            || !list_add(is13 ? v13 : v12, is13 ? sizeof(v13) : sizeof(v12), SSL_CIPHER_get_name(c))) {
            *bad = ids[i];
            sessl_err_take(e);
            return -1;
        }
    }
    ok = (v13[0] == '\0' || SSL_CTX_set_ciphersuites(ctx, v13))
        && (v12[0] == '\0' || SSL_CTX_set_cipher_list(ctx, v12));
    sessl_err_take(e);
    return ok;
}

/* Those of TLS 1.2 that are forward secret and AEAD: libssl has one. */
#define SUITES_PSK "ECDHE-PSK-CHACHA20-POLY1305"

static int is_psk(const SSL_CIPHER *c)
{
    int kx = SSL_CIPHER_get_kx_nid(c);

    return kx == NID_kx_psk || kx == NID_kx_ecdhe_psk;
}

/* Appends to list the suites of ctx before TLS 1.3 that are for keys, or are not. */
static int list_from(SSL_CTX *ctx, int psk, char *list, size_t cap)
{
    STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ctx); /* borrowed from ctx */
    int i;

    for (i = 0; i < sk_SSL_CIPHER_num(all); i++) {
        const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);

        if (!sessl_cipher_is13(c) && is_psk(c) == psk && !list_add(list, cap, SSL_CIPHER_get_name(c)))
            return 0;
    }
    return 1;
}

/* The same suites, those for keys first; 0 when openssl.cnf has settled none of them. */
static int reorder(SSL_CTX *ctx, int only)
{
    char list[16384] = "";

    if (!list_from(ctx, 1, list, sizeof(list)) || list[0] == '\0')
        return 0;
    return (only || list_from(ctx, 0, list, sizeof(list))) && SSL_CTX_set_cipher_list(ctx, list);
}

/* For a Ctx with default suites that has keys for TLS 1.2; only, when it has nothing else
 * there. 0: there is none, by openssl.cnf or because no provider has one. */
int sessl_ctx_add_psk_suites(SSL_CTX *ctx, int server, int only, sessl_err *e)
{
    sessl_system s;
    int ok;

    sessl_err_begin(e);
    ok = sessl_system_of(server, &s, e);
    if (ok)
        ok = s.suites12 ? reorder(ctx, only)
                        : SSL_CTX_set_cipher_list(ctx, only ? SUITES_PSK : SUITES_PSK ":" SUITES_12);
    sessl_err_take(e);
    return ok;
}

int sessl_ctx_set_sid_ctx(SSL_CTX *ctx, const uint8_t *p, unsigned n, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    ok = SSL_CTX_set_session_id_context(ctx, p, n); /* copies */
    sessl_err_take(e);
    return ok;
}

/* Drops the cache's references on what has expired by now; 0 means all. */
void sessl_ctx_flush(SSL_CTX *ctx, int64_t now)
{
#if SESSL_HAVE_FLUSH_EX
    SSL_CTX_flush_sessions_ex(ctx, (time_t)now);
#else
    SSL_CTX_flush_sessions(ctx, (long)now);
#endif
    sessl_err_clear();
}

void sessl_ctx_set_tickets(SSL_CTX *ctx, int yes)
{
    if (yes)
        SSL_CTX_clear_options(ctx, SSL_OP_NO_TICKET); /* of openssl.cnf */
    else
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
}

int sessl_ctx_set_num_tickets(SSL_CTX *ctx, size_t n, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    ok = SSL_CTX_set_num_tickets(ctx, n);
    sessl_err_take(e);
    return ok;
}

/* The cache takes a reference of its own. 0 also when this very object is there already. */
int sessl_ctx_add_session(SSL_CTX *ctx, SSL_SESSION *s, sessl_err *e)
{
    int added;

    sessl_err_begin(e);
    added = SSL_CTX_add_session(ctx, s);
    sessl_err_take(e);
    return added;
}

/* The cache's reference is dropped, and s is marked not resumable even when it was not
 * the cached one. */
int sessl_ctx_remove_session(SSL_CTX *ctx, SSL_SESSION *s)
{
    int found = SSL_CTX_remove_session(ctx, s);

    sessl_err_clear();
    return found;
}

void sessl_ctx_get_stats(SSL_CTX *ctx, sessl_ctx_stats *st)
{
    st->number = SSL_CTX_sess_number(ctx);
    st->connect = SSL_CTX_sess_connect(ctx);
    st->connect_good = SSL_CTX_sess_connect_good(ctx);
    st->connect_renegotiate = SSL_CTX_sess_connect_renegotiate(ctx);
    st->accept = SSL_CTX_sess_accept(ctx);
    st->accept_good = SSL_CTX_sess_accept_good(ctx);
    st->accept_renegotiate = SSL_CTX_sess_accept_renegotiate(ctx);
    st->hits = SSL_CTX_sess_hits(ctx);
    st->cb_hits = SSL_CTX_sess_cb_hits(ctx);
    st->misses = SSL_CTX_sess_misses(ctx);
    st->timeouts = SSL_CTX_sess_timeouts(ctx);
    st->cache_full = SSL_CTX_sess_cache_full(ctx);
}
