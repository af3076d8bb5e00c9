#include "private.h"

#include <errno.h>
#include <openssl/conf.h>
#include <sys/stat.h>
#if SESSL_HAVE_3_0
#include <openssl/provider.h>
#endif

/* What verification depends on besides the Config: what openssl.cnf, the library's build, and
 * other users of the library in this process have set. */

static unsigned long flags_of(const char *name)
{
    const X509_VERIFY_PARAM *p = X509_VERIFY_PARAM_lookup(name); /* static, or the process's */

    return p == NULL ? 0 : X509_VERIFY_PARAM_get_flags((X509_VERIFY_PARAM *)p);
}

void sessl_ctx_in_force(SSL_CTX *ctx, int server, sessl_in_force *f)
{
    X509_VERIFY_PARAM *p = SSL_CTX_get0_param(ctx); /* borrowed from ctx */

    f->level = SSL_CTX_get_security_level(ctx);
    f->depth = X509_VERIFY_PARAM_get_depth(p);
    f->auth_level = X509_VERIFY_PARAM_get_auth_level(p);
    f->host_flags = X509_VERIFY_PARAM_get_hostflags(p);
    f->flags = X509_VERIFY_PARAM_get_flags(p);
    f->inherit = X509_VERIFY_PARAM_get_inh_flags(p);
    f->general = flags_of("default");
    f->purpose = flags_of(server ? "ssl_client" : "ssl_server");
    sessl_err_clear();
}

static int put_text(sessl_buf *b, const char *s)
{
    return sessl_buf_append(b, (const uint8_t *)s, strlen(s) + 1);
}

/* Hands over what is in b, which the caller frees with OPENSSL_clear_free; -1 without memory. */
static int hand_over(sessl_buf *b, int ok, uint8_t **out, sessl_err *e)
{
    size_t n = b->tail - b->head;

    *out = ok && n > 0 ? OPENSSL_memdup(b->p + b->head, n) : NULL;
    ok = ok && (n == 0 || *out != NULL);
    if (b->p != NULL)
        OPENSSL_cleanse(b->p, b->cap);
    sessl_buf_free(b);
    e->no_memory |= !ok;
    sessl_err_take(e);
    return ok ? (int)n : -1;
}

#if SESSL_HAVE_3_0
static int put_provider(OSSL_PROVIDER *p, void *b)
{
    return put_text(b, OSSL_PROVIDER_get0_name(p));
}
#endif

/* The names of the providers in use, each with a zero byte behind it, in no order. Their
 * number of bytes; -1 without memory. */
int sessl_providers(uint8_t **out, sessl_err *e)
{
    sessl_buf b = {0};
    int ok = 1;

    sessl_err_begin(e);
#if SESSL_HAVE_3_0
    ok = OSSL_PROVIDER_do_all(NULL, put_provider, &b)
        && (!EVP_default_properties_is_fips_enabled(NULL) || put_text(&b, "fips=yes"));
#endif
    return hand_over(&b, ok, out, e);
}

#define MAX_NESTED 8 /* sections that name each other */

/* A section, and those that its values name. */
static int put_section(CONF *conf, const char *section, int nested, sessl_buf *b)
{
    STACK_OF(CONF_VALUE) *values =
        nested > MAX_NESTED ? NULL : NCONF_get_section(conf, section); /* borrowed */
    int i;

    if (values != NULL && !put_text(b, section))
        return 0;
    for (i = 0; i < sk_CONF_VALUE_num(values); i++) {
        CONF_VALUE *v = sk_CONF_VALUE_value(values, i);

        if (!sessl_buf_append(b, (const uint8_t *)v->name, strlen(v->name))
            || !sessl_buf_append(b, (const uint8_t *)"=", 1) || !put_text(b, v->value)
            || !put_section(conf, v->value, nested + 1, b))
            return 0;
    }
    return 1;
}

/* Whether a file that cannot be opened now may be there for OpenSSL at another time. */
static int may_come_back(void)
{
    switch (ERR_GET_REASON(ERR_peek_error())) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EIO:
    case ERR_R_MALLOC_FAILURE: return 1;
    }
    return 0;
}

static int put_policy(BIO *in, sessl_buf *b, sessl_err *e)
{
    CONF *conf = NCONF_new(NULL);
    const char *first = NULL;
    int ok = conf != NULL;

    if (ok && NCONF_load_bio(conf, in, NULL) <= 0) {
        sessl_err_take(e); /* of one that is malformed OpenSSL takes nothing, too */
        ok = !e->no_memory;
    } else if (ok && (first = NCONF_get_string(conf, NULL, "openssl_conf")) != NULL) { /* borrowed */
        ok = put_section(conf, first, 0, b);
    }
    NCONF_free(conf);
    sessl_err_clear();
    return ok;
}

/* What can be read once only is left to OpenSSL. */
static int ends_with_reading(const char *file)
{
    struct stat st;

    return stat(file, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

/* What openssl.cnf has for the library itself, comments and the sections of programs left
 * out: a section's name, then "name=value" for each of its values, with a zero byte behind each. How
 * many bytes; 0 where there is nothing that OpenSSL could use, -1 where that cannot be known. */
int sessl_policy_text(uint8_t **out, sessl_err *e)
{
    char *file = CONF_get1_default_config_file(); /* ours */
    sessl_buf b = {0};
    BIO *in;
    int ok;

    sessl_err_begin(e);
    *out = NULL;
    if (file == NULL) {
        e->no_memory = 1;
        return -1;
    }
    if (ends_with_reading(file)) {
        OPENSSL_free(file);
        return -1;
    }
    in = *file == '\0' ? NULL : BIO_new_file(file, "re"); /* e: close-on-exec */
    OPENSSL_free(file);
    if (in == NULL) {
        ok = !may_come_back();
        sessl_err_take(e);
        return ok ? 0 : -1;
    }
    ok = put_policy(in, &b, e);
    BIO_free(in);
    return hand_over(&b, ok, out, e);
}
