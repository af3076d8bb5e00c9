#include "private.h"

/* Encrypted Client Hello. libssl decrypts what a client has sent, or tries to, before it calls the
 * client_hello callback: from there on all that it tells of the ClientHello is of the inner one. */

#if SESSL_HAVE_ECH

static OSSL_ECHSTORE *store_of(const sessl_ech_keys *k)
{
    return (OSSL_ECHSTORE *)k;
}

/* Returns +1. */
sessl_ech_keys *sessl_ech_keys_new(sessl_err *e)
{
    OSSL_ECHSTORE *s;

    sessl_err_begin(e);
    s = OSSL_ECHSTORE_new(NULL, NULL);
    sessl_err_take(e);
    return (sessl_ech_keys *)s;
}

/* Adds a private key and its configuration, which a client may be sent if it has used another one. */
int sessl_ech_keys_add(sessl_ech_keys *k, const uint8_t *pem, size_t n, int retry, sessl_err *e)
{
    BIO *in;
    int ok;

    sessl_err_begin(e);
    in = BIO_new_mem_buf(pem, (int)n);
    ok = in != NULL
        && OSSL_ECHSTORE_read_pem(store_of(k), in, retry ? OSSL_ECH_FOR_RETRY : OSSL_ECH_NO_RETRY) == 1;
    BIO_free(in);
    sessl_err_take(e);
    return ok;
}

/* -1; the SSLs have copies of their own. */
void sessl_ech_keys_free(sessl_ech_keys *k)
{
    OSSL_ECHSTORE_free(store_of(k));
    sessl_err_clear();
}

/* Reads one ECHConfig, as a list of its own: libssl refuses a list for any configuration in it that it cannot
 * use, and RFC 9849 (section 4.1) wants clients to pass over such a one. */
static int read_config(OSSL_ECHSTORE *s, const uint8_t *config, size_t n)
{
    sessl_buf list = {0};
    BIO *in = NULL;
    int ok;

    ok = sessl_buf_counted(&list, config, n, 2)
        && (in = BIO_new_mem_buf(list.p + list.head, (int)(list.tail - list.head))) != NULL
        && OSSL_ECHSTORE_read_echconfiglist(s, in) == 1;
    BIO_free(in);
    sessl_buf_free(&list);
    return ok;
}

/* Has clients encrypt their ClientHello for one of the configurations. 0: the library can use none. */
int sessl_ctx_set_ech_configs(SSL_CTX *ctx, const uint8_t *list, size_t n, sessl_err *e)
{
    OSSL_ECHSTORE *s;
    sessl_reader r = {0};
    const uint8_t *start;
    size_t len;
    int ok, found = 0;

    sessl_err_begin(e);
    s = OSSL_ECHSTORE_new(NULL, NULL); /* returns +1 */
    r.p = list;
    r.end = list + n;
    sessl_take(&r, 2);
    for (start = r.p; s != NULL && sessl_take(&r, 2) != NULL && sessl_take_counted(&r, 2, &len) != NULL;
         start = r.p)
        read_config(s, start, (size_t)(r.p - start));
    ok = s != NULL && OSSL_ECHSTORE_num_entries(s, &found) == 1 && found > 0;
    if (ok)
        sessl_err_clear();                         /* of those that were passed over */
    ok = ok && SSL_CTX_set1_echstore(ctx, s) == 1; /* makes a copy */
    OSSL_ECHSTORE_free(s);                         /* -1 */
    sessl_err_take(e);
    return ok;
}

void sessl_ctx_set_ech_grease(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_ECH_GREASE);
}

/* Gives a server's connection the keys of now. The SSL makes a copy, with +1 on each key in it. */
int sessl_conn_set_ech_keys(sessl_conn *c, const sessl_ech_keys *k, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    ok = SSL_set1_echstore(c->ssl, store_of(k)) == 1;
    sessl_err_take(e);
    if (ok)
        c->ech = SESSL_ECH_SERVED;
    return ok;
}

/* A server has chosen another Ctx: the ClientHello comes once more, to the keys that it came to. */
int sessl_ech_carry(const sessl_conn *c, SSL *from, SSL *to)
{
    OSSL_ECHSTORE *s;
    int ok;

    if ((c->ech & SESSL_ECH_SERVED) == 0)
        return 1;
    s = SSL_get1_echstore(from); /* returns +1 */
    ok = s != NULL && SSL_set1_echstore(to, s) == 1;
    OSSL_ECHSTORE_free(s); /* -1 */
    return ok;
}

/* SSL_ech_get1_status, with the name on the outside, which the caller frees. It leaves the error queue as
 * it was. */
static int status(const sessl_conn *c, char **outer)
{
    char *in = NULL, *out = NULL;
    int is;

    ERR_set_mark();
    is = SSL_ech_get1_status(c->ssl, &in, &out);
    ERR_pop_to_mark();
    OPENSSL_free(in);
    if (outer != NULL)
        *outer = out;
    else
        OPENSSL_free(out);
    return is;
}

/* libssl calls it a bad name where it has not verified the certificate, as it is told. */
int sessl_conn_ech_accepted(const sessl_conn *c)
{
    int is = c->ech == 0 ? SSL_ECH_STATUS_NOT_TRIED : status(c, NULL);

    return is == SSL_ECH_STATUS_SUCCESS || (!c->server && is == SSL_ECH_STATUS_BAD_NAME);
}

/* The name in the configuration that a client has used, OPENSSL_malloc'ed; NULL for none. */
char *sessl_conn_ech_public_name(const sessl_conn *c)
{
    char *name = NULL;

    status(c, &name);
    return name;
}

/* Whether the last step has failed because a server that has proved to be the provider has refused. */
int sessl_conn_ech_is_refused(const sessl_conn *c)
{
    return (c->ech & SESSL_ECH_REFUSED) != 0 && c->err.n > 0 && ERR_GET_LIB(c->err.code[0]) == ERR_LIB_SSL
        && ERR_GET_REASON(c->err.code[0]) == SSL_R_ECH_REQUIRED;
}

/* The configurations that a server has sent to a client it has refused: their length, or -1 if it has sent
 * some that libssl cannot read. */
int sessl_conn_ech_retry(sessl_conn *c, uint8_t **out)
{
    size_t n = 0;
    int ok;

    *out = NULL;
    ERR_set_mark();
    ok = SSL_ech_get1_retry_config(c->ssl, out, &n) == 1;
    ERR_pop_to_mark();
    return ok ? (int)n : -1;
}

#else

sessl_ech_keys *sessl_ech_keys_new(sessl_err *e)
{
    sessl_err_begin(e);
    return NULL;
}

int sessl_ech_keys_add(sessl_ech_keys *k, const uint8_t *pem, size_t n, int retry, sessl_err *e)
{
    (void)k, (void)pem, (void)n, (void)retry;
    sessl_err_begin(e);
    return 0;
}

void sessl_ech_keys_free(sessl_ech_keys *k)
{
    (void)k;
}

int sessl_ctx_set_ech_configs(SSL_CTX *ctx, const uint8_t *list, size_t n, sessl_err *e)
{
    (void)ctx, (void)list, (void)n;
    sessl_err_begin(e);
    return 0;
}

void sessl_ctx_set_ech_grease(SSL_CTX *ctx)
{
    (void)ctx;
}

int sessl_conn_set_ech_keys(sessl_conn *c, const sessl_ech_keys *k, sessl_err *e)
{
    (void)c, (void)k;
    sessl_err_begin(e);
    return 0;
}

int sessl_ech_carry(const sessl_conn *c, SSL *from, SSL *to)
{
    (void)c, (void)from, (void)to;
    return 1;
}

int sessl_conn_ech_accepted(const sessl_conn *c)
{
    (void)c;
    return 0;
}

char *sessl_conn_ech_public_name(const sessl_conn *c)
{
    (void)c;
    return NULL;
}

int sessl_conn_ech_is_refused(const sessl_conn *c)
{
    (void)c;
    return 0;
}

int sessl_conn_ech_retry(sessl_conn *c, uint8_t **out)
{
    (void)c, (void)out;
    return 0;
}

#endif
