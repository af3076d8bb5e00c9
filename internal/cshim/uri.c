#include "private.h"

#include <openssl/store.h>
#include <openssl/storeerr.h>
#include <openssl/ui.h>

/* Certificates and keys by URI, through OSSL_STORE: files, and whatever a provider (3.0) or
 * an engine (1.1.1) adds, such as pkcs11:. */

#define MAX_UNREAD 1000 /* a store that fails without an end must not hold us */

typedef struct opening {
    sessl_cert *cert;
    const uint8_t *pass;
    int pass_len; /* -1: there is none */
    int asked;    /* the store wanted a password */
} opening;

/* Answers what would otherwise be asked on the terminal. */
static int give_password(char *buf, int size, int writing, void *u)
{
    opening *o = u;

    (void)writing;
    o->asked = 1;
    if (o->pass_len < 0 || o->pass_len >= size)
        return -1;
    if (o->pass_len > 0)
        memcpy(buf, o->pass, (size_t)o->pass_len);
    return o->pass_len;
}

/* One object of the store; 0 without memory. The first key counts. */
static int take(opening *o, OSSL_STORE_INFO *info)
{
    X509 *x;

    switch (OSSL_STORE_INFO_get_type(info)) {
    case OSSL_STORE_INFO_PKEY:
        if (o->cert->key == NULL)
            o->cert->key = OSSL_STORE_INFO_get1_PKEY(info); /* +1 */
        return o->cert->key != NULL;
    case OSSL_STORE_INFO_CERT:
        x = OSSL_STORE_INFO_get1_CERT(info);              /* +1 */
        if (x != NULL && sk_X509_push(o->cert->chain, x)) /* takes it over */
            return 1;
        X509_free(x);
        return 0;
    default: return 1;
    }
}

/* Reads the store's objects of a type; 0 when it cannot be opened, or without memory. What
 * cannot be read is skipped, as OpenSSL's own tools do: 3.0 reports what is of another type
 * as an error too. */
static int read_store(opening *o, UI_METHOD *ui, const char *uri, int expect, sessl_err *e)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open(uri, ui, o, NULL, NULL);
    OSSL_STORE_INFO *info;
    int ok = store != NULL && OSSL_STORE_expect(store, expect);
    int unread = 0;

    while (ok && unread < MAX_UNREAD && !OSSL_STORE_eof(store)) {
        info = OSSL_STORE_load(store);
        if (info == NULL) {
            unread++;
            continue;
        }
        ok = take(o, info);
        if (!ok)
            e->no_memory = 1;
        OSSL_STORE_INFO_free(info);
        if (expect == OSSL_STORE_INFO_PKEY && o->cert->key != NULL)
            break;
    }
    sessl_err_take(e);
    OSSL_STORE_close(store);
    sessl_err_clear();
    return ok && !e->no_memory;
}

static int is_mismatch(unsigned long code)
{
    int reason = ERR_GET_REASON(code);

    return ERR_GET_LIB(code) == ERR_LIB_X509
        && (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH);
}

/* Makes the certificate that has the key the leaf: a store need not keep an order. */
static int find_leaf(sessl_cert *c, sessl_err *e)
{
    int i;

    for (i = 0; i < sk_X509_num(c->chain); i++) {
        if (X509_check_private_key(sk_X509_value(c->chain, i), c->key)) {
            c->leaf = sk_X509_delete(c->chain, i); /* the stack's reference */
            return 1;
        }
        sessl_err_take(e);
        e->no_memory |= e->n == 0; /* another's key gets an error */
        if (e->no_memory || !is_mismatch(e->code[0]))
            return 0;
        if (i + 1 < sk_X509_num(c->chain))
            e->n = 0;
    }
    return 0;
}

/* What came of a key that could not be read. */
static int why_no_key(const opening *o)
{
    if (!o->asked)
        return SESSL_KEY_MISSING;
    return o->pass_len < 0 ? SESSL_KEY_NEEDS_PASSWORD : SESSL_KEY_WRONG_PASSWORD;
}

/* OpenSSL 3 looks for a loader of the file scheme in its old registry first and, not finding
 * it there, queues that the scheme is unregistered, for a file that is missing too. */
#if SESSL_HAVE_3_0
#define NO_LOADER ERR_R_UNSUPPORTED
#else
#define NO_LOADER OSSL_STORE_R_UNREGISTERED_SCHEME
#endif

static int unknown_scheme(const sessl_err *e)
{
    int i;

    for (i = 0; i < e->n; i++)
        if (sessl_err_is(e->code[i], ERR_LIB_OSSL_STORE, NO_LOADER))
            return 1;
    return 0;
}

static int open_both(opening *o, UI_METHOD *ui, const char *cert_uri, const char *key_uri, int *why,
                     sessl_err *e)
{
    if (!read_store(o, ui, cert_uri, OSSL_STORE_INFO_CERT, e)) {
        *why = unknown_scheme(e) ? SESSL_STORE_SCHEME : 0;
        return 0;
    }
    if (sk_X509_num(o->cert->chain) == 0) {
        *why = SESSL_CERT_MISSING;
        return 0;
    }
    e->n = 0; /* what was skipped */
    o->asked = 0;
    if (!read_store(o, ui, key_uri, OSSL_STORE_INFO_PKEY, e)) {
        *why = unknown_scheme(e) ? SESSL_STORE_SCHEME : 0;
        return 0;
    }
    if (o->cert->key == NULL) {
        *why = why_no_key(o);
        return 0;
    }
    e->n = 0;
    if (!find_leaf(o->cert, e)) {
        *why = SESSL_KEY_MISMATCH;
        return 0;
    }
    return sessl_cert_attach(o->cert, e);
}

/* OpenSSL quotes a URI that it cannot open, and one that is no file's may have a PIN. */
static void hide_uri(const char *uri, sessl_err *e)
{
    int i;

    if (strncmp(uri, "file:", 5) == 0 || strchr(uri, ':') == NULL)
        return;
    for (i = 0; i < e->n; i++)
        e->data[i][0] = '\0';
}

sessl_cert *sessl_cert_open(const char *cert_uri, const char *key_uri, const uint8_t *pass, int pass_len,
                            int *why, sessl_err *e)
{
    opening o = {NULL, pass, pass_len, 0};
    UI_METHOD *ui;

    sessl_err_begin(e);
    *why = 0;
    o.cert = OPENSSL_zalloc(sizeof(*o.cert));
    ui = UI_UTIL_wrap_read_pem_callback(give_password, 0);
    if (o.cert == NULL || ui == NULL || (o.cert->chain = sk_X509_new_null()) == NULL) {
        e->no_memory = 1;
    } else if (open_both(&o, ui, cert_uri, key_uri, why, e)) {
        UI_destroy_method(ui);
        sessl_err_take(e);
        return o.cert;
    }
    sessl_err_take(e);
    UI_destroy_method(ui);
    if (o.cert != NULL)
        sessl_cert_free(o.cert);
    hide_uri(cert_uri, e);
    hide_uri(key_uri, e);
    sessl_err_clear();
    return NULL;
}
