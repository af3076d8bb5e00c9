#include "private.h"

#include <limits.h>

/* Takes over the reference on s. Without memory for its record it would count as shared
 * and belong to no Ctx: then there is no session. */
static SSL_SESSION *recorded(SSL_SESSION *s, sessl_err *e)
{
    if (s == NULL || sessl_session_recorded(s))
        return s;
    e->no_memory = 1;
    sessl_drop_session(s);
    return NULL;
}

SSL_SESSION *sessl_session_new(sessl_err *e)
{
    SSL_SESSION *s;

    sessl_err_begin(e);
    sessl_set_current_ctx(0);
    s = recorded(SSL_SESSION_new(), e); /* returns +1 */
    sessl_err_take(e);
    return s;
}

/* The copy belongs to that Ctx, or to none yet when the number is 0. */
SSL_SESSION *sessl_session_dup(const SSL_SESSION *s, uint64_t ctx_id, sessl_err *e)
{
    SSL_SESSION *copy;

    sessl_err_begin(e);
    sessl_set_current_ctx(ctx_id);
    copy = recorded(SSL_SESSION_dup((SSL_SESSION *)s), e); /* returns +1, s untouched; not const on 1.1.1 */
    sessl_err_take(e);
    return copy;
}

/* The one place of the C side that gives a session's reference back. */
void sessl_drop_session(SSL_SESSION *s)
{
    SSL_SESSION_free(s); /* -1; NULL is fine */
}

/* *used tells how much of der was consumed; libssl accepts trailing bytes, Go does not. */
SSL_SESSION *sessl_session_d2i(const uint8_t *der, size_t n, size_t *used, sessl_err *e)
{
    const unsigned char *p = der;
    SSL_SESSION *s;

    sessl_err_begin(e);
    sessl_set_current_ctx(0);
    *used = 0;
    if (n > LONG_MAX)
        return NULL;
    /* Always into a new object (+1): reusing one keeps stale fields. */
    s = recorded(d2i_SSL_SESSION(NULL, &p, (long)n), e);
    if (s != NULL)
        *used = (size_t)(p - der);
    sessl_err_take(e);
    return s;
}

static int no_password(char *buf, int size, int rwflag, void *u)
{
    (void)buf, (void)size, (void)rwflag, (void)u;
    return -1; /* libssl's default would ask on the terminal */
}

/* 1 when the first block in b holds more than one DER value, which libssl does not mind;
 * -1 without memory. */
static int has_trailing(BIO *b)
{
    unsigned char *der = NULL;
    const unsigned char *p;
    long len = 0, body = 0;
    int tag, class, trailing;

    if (!PEM_bytes_read_bio(&der, &len, NULL, PEM_STRING_SSL_SESSION, b, no_password, NULL))
        return -1;
    p = der;
    trailing = (ASN1_get_object(&p, &body, &tag, &class, len) & 0x80) != 0 || p + body != der + len;
    OPENSSL_clear_free(der, (size_t)len);
    return trailing;
}

/* *trailing tells whether the block held more than the session. */
SSL_SESSION *sessl_session_read_pem(const uint8_t *pem, size_t n, int *trailing, sessl_err *e)
{
    SSL_SESSION *s = NULL;
    BIO *b;

    sessl_err_begin(e);
    sessl_set_current_ctx(0);
    *trailing = 0;
    if (n > INT_MAX)
        return NULL;
    b = BIO_new_mem_buf(n == 0 ? (const uint8_t *)"" : pem, (int)n); /* refuses NULL */
    if (b == NULL)
        e->no_memory = 1;
    else
        s = recorded(PEM_read_bio_SSL_SESSION(b, NULL, no_password, NULL), e); /* returns +1 */
    if (s != NULL && (BIO_reset(b) != 1 || (*trailing = has_trailing(b)) < 0)) {
        e->no_memory = 1;
        sessl_drop_session(s);
        s = NULL;
    }
    sessl_err_take(e);
    BIO_free(b);
    return s;
}

/* The length, and the bytes in *out for sessl_clear_free; 0 when it cannot be encoded. */
int sessl_session_i2d(const SSL_SESSION *s, uint8_t **out, sessl_err *e)
{
    int n;

    sessl_err_begin(e);
    *out = NULL;
    n = i2d_SSL_SESSION((SSL_SESSION *)s, out);
    sessl_err_take(e);
    return n < 0 ? 0 : n;
}

void sessl_clear_free(void *p, size_t n)
{
    OPENSSL_clear_free(p, n);
}

typedef int (*bio_writer)(BIO *, const SSL_SESSION *);

static int write_pem(BIO *b, const SSL_SESSION *s)
{
    return PEM_write_bio_SSL_SESSION(b, (SSL_SESSION *)s);
}

/* Runs w into a memory BIO and moves the bytes to *out; the BIO's own copy is wiped. */
static int collect(const SSL_SESSION *s, bio_writer w, uint8_t **out, sessl_err *e)
{
    BIO *b;
    char *p = NULL;
    long n;
    int ok;

    sessl_err_begin(e);
    *out = NULL;
    b = BIO_new(BIO_s_mem());
    if (b == NULL)
        e->no_memory = 1;
    ok = b != NULL && w(b, s) > 0;
    n = ok ? BIO_get_mem_data(b, &p) : 0;
    if (n > 0 && n <= INT_MAX) {
        *out = OPENSSL_malloc((size_t)n);
        if (*out != NULL)
            memcpy(*out, p, (size_t)n);
        else
            e->no_memory = 1;
    }
    if (b != NULL && (n = BIO_get_mem_data(b, &p)) > 0)
        OPENSSL_cleanse(p, (size_t)n);
    sessl_err_take(e);
    BIO_free(b);
    return *out == NULL ? 0 : (int)n;
}

int sessl_session_write_pem(SSL_SESSION *s, uint8_t **out, sessl_err *e)
{
    return collect(s, write_pem, out, e);
}

int sessl_session_keylog(const SSL_SESSION *s, uint8_t **out, sessl_err *e)
{
    return collect(s, SSL_SESSION_print_keylog, out, e);
}

/* Overwrites what follows the label, up to the end of its line, with 'x'. */
static void redact(uint8_t *p, size_t n, const char *label)
{
    size_t len = strlen(label), i, j;

    for (i = 0; i + len <= n; i++) {
        if (memcmp(p + i, label, len) != 0)
            continue;
        for (j = i + len; j < n && p[j] != '\n'; j++)
            p[j] = 'x';
    }
}

/* The secrets are overwritten before a byte of the text reaches Go's heap. */
int sessl_session_print(const SSL_SESSION *s, int secrets, uint8_t **out, sessl_err *e)
{
    int n = collect(s, SSL_SESSION_print, out, e);

    if (n > 0 && !secrets) {
        redact(*out, (size_t)n, "Master-Key: ");
        redact(*out, (size_t)n, "Resumption PSK: ");
    }
    return n;
}
