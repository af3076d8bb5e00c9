#include "private.h"

#include <pthread.h>

/* The section system_default of openssl.cnf is applied to each SSL_CTX when it is made. What
 * it has settled must not be replaced by a default of ours. It cannot be seen in an SSL_CTX
 * whether a value was settled or is libssl's own, nor does SSL_CTX_config say what it has set, in
 * 1.1.1w, 3.0, 3.5, 3.6 and 4.0. So the section is applied to two that have other values everywhere:
 * what differs afterwards was settled. */

static const struct {
    uint64_t option;
    int bit;
} options[] = {
    {SSL_OP_NO_TLSv1, SESSL_OPT_TLS10},      {SSL_OP_NO_TLSv1_1, SESSL_OPT_TLS11},
    {SSL_OP_NO_TLSv1_2, SESSL_OPT_TLS12},    {SSL_OP_NO_TLSv1_3, SESSL_OPT_TLS13},
    {SSL_OP_NO_TICKET, SESSL_OPT_NO_TICKET}, {SSL_OP_CIPHER_SERVER_PREFERENCE, SESSL_OPT_SERVER_PREFERENCE},
};

#define OPTIONS (sizeof(options) / sizeof(options[0]))

/* Values that are not libssl's defaults; no list of an administrator is equal to both. */
typedef struct other {
    const char *list12, *list13;
    int version, tickets, options_on;
} other;

static const other others[2] = {
    {"ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256", TLS1_2_VERSION, 3, 0},
    {"ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_AES_256_GCM_SHA384", TLS1_3_VERSION, 5, 1},
};

/* By what libssl says: TLS_SM4_GCM_SM3 is one, and its number does not begin with 0x13. */
int sessl_cipher_is13(const SSL_CIPHER *c)
{
    return strcmp(SSL_CIPHER_get_version(c), "TLSv1.3") == 0;
}

/* In an anonymous suite a server shows nothing, and knows no PSK. */
int sessl_cipher_anonymous(const SSL_CIPHER *c)
{
    return c != NULL && SSL_CIPHER_get_auth_nid(c) == NID_auth_null;
}

/* Whether the suites of TLS 1.3, or those of the versions before, are name and no more. */
static int is_only(SSL_CTX *ctx, int want13, const char *name)
{
    STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ctx); /* borrowed from ctx */
    int i, n = 0, same = 0;

    for (i = 0; i < sk_SSL_CIPHER_num(all); i++) {
        const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);

        if (sessl_cipher_is13(c) == want13) {
            n++;
            same |= strcmp(SSL_CIPHER_get_name(c), name) == 0;
        }
    }
    return n == 1 && same;
}

/* Applies the section; 0 when there was no memory for it. */
static int apply(SSL_CTX *ctx)
{
    SSL_CTX_config(ctx, "system_default"); /* 0 also without such a section, or for one bad line */
    sessl_err_clear();
    return SSL_CTX_get_ciphers(ctx) != NULL;
}

static int read_one(SSL_CTX *ctx, const other *o, sessl_system *s)
{
    size_t i;

    if (!SSL_CTX_set_cipher_list(ctx, o->list12) || !SSL_CTX_set_ciphersuites(ctx, o->list13)
        || !SSL_CTX_set_min_proto_version(ctx, o->version) || !SSL_CTX_set_max_proto_version(ctx, o->version)
        || !SSL_CTX_set_num_tickets(ctx, (size_t)o->tickets))
        return 0;
    for (i = 0; i < OPTIONS; i++) {
        if (o->options_on)
            SSL_CTX_set_options(ctx, options[i].option);
        else
            SSL_CTX_clear_options(ctx, options[i].option);
    }
    if (!apply(ctx))
        return 0;
    s->suites12 |= !is_only(ctx, 0, o->list12);
    s->suites13 |= !is_only(ctx, 1, o->list13);
    if ((int)SSL_CTX_get_min_proto_version(ctx) != o->version)
        s->has_min = 1;
    if ((int)SSL_CTX_get_max_proto_version(ctx) != o->version)
        s->has_max = 1;
    if ((int)SSL_CTX_get_num_tickets(ctx) != o->tickets)
        s->tickets = (int)SSL_CTX_get_num_tickets(ctx);
    for (i = 0; i < OPTIONS; i++) {
        int set = (SSL_CTX_get_options(ctx) & options[i].option) != 0;

        if (set && !o->options_on)
            s->on |= options[i].bit;
        if (!set && o->options_on)
            s->off |= options[i].bit;
    }
    return 1;
}

/* The values of an SSL_CTX to which the section was applied and nothing else. */
static void read_values(SSL_CTX *ctx, sessl_system *s)
{
    STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ctx); /* borrowed from ctx */
    int i;

    s->min = (int)SSL_CTX_get_min_proto_version(ctx);
    s->max = (int)SSL_CTX_get_max_proto_version(ctx);
    s->verify = SSL_CTX_get_verify_mode(ctx);
    for (i = 0; i < sk_SSL_CIPHER_num(all) && s->first13 == 0; i++)
        if (sessl_cipher_is13(sk_SSL_CIPHER_value(all, i)))
            s->first13 = SSL_CIPHER_get_protocol_id(sk_SSL_CIPHER_value(all, i));
}

static int read_all(int server, sessl_system *s, sessl_err *e)
{
    const SSL_METHOD *method = server ? TLS_server_method() : TLS_client_method();
    size_t i;
    int ok = 1;

    memset(s, 0, sizeof(*s));
    s->tickets = -1;
    for (i = 0; ok && i < 2; i++) {
        SSL_CTX *ctx = SSL_CTX_new(method); /* returns +1 */

        ok = ctx != NULL;
        if (!ok)
            sessl_err_take(e); /* a later version refuses a section that it does not understand */
        if (ok && i == 0)
            read_values(ctx, s);
        ok = ok && read_one(ctx, &others[i], s);
        SSL_CTX_free(ctx);
        sessl_err_clear();
    }
    return ok;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sessl_system known[2];
static int is_known[2];

/* Reads it once a process, as libssl reads the file. 0 without memory: a command that failed
 * for want of it looks as if it was not there, so the same must come out twice. */
int sessl_system_of(int server, sessl_system *out, sessl_err *e)
{
    sessl_system again;
    int ok;

    sessl_err_begin(e);
    pthread_mutex_lock(&lock);
    if (!is_known[server])
        is_known[server] = read_all(server, &known[server], e) && read_all(server, &again, e)
            && memcmp(&again, &known[server], sizeof(again)) == 0;
    ok = is_known[server];
    *out = known[server];
    pthread_mutex_unlock(&lock);
    if (!ok && e->n == 0)
        e->no_memory = 1;
    sessl_err_take(e);
    return ok;
}
