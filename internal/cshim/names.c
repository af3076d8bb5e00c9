#include "private.h"

/* Whether a certificate is for a host. X509_VERIFY_PARAM_set1_host and X509_check_host read some
 * names in ways of their own, which differ by version: one that begins with a dot stands for all
 * below it, no underscore matches a wildcard, and 4.0 refuses what earlier ones take. So they
 * never see a name. The rules here are those of crypto/x509, except that a wildcard needs two
 * labels behind it, as in OpenSSL: docs/names.md has them. */

/* Whatever the locale. */
static int lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static int same_text(const uint8_t *a, const char *b, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (lower(a[i]) != (uint8_t)b[i])
            return 0;
    return 1;
}

/* A label that begins with a hyphen makes it a name that is compared as it is. */
static int takes_wildcards(const sessl_host *h)
{
    size_t i;

    for (i = 0; i < h->len; i++)
        if (h->name[i] == '-' && (i == 0 || h->name[i - 1] == '.'))
            return 0;
    return 1;
}

/* A wildcard is the whole of the first label and stands for one label; behind it are two at least,
 * or one with brief. */
static int matches_wildcard(const uint8_t *p, size_t n, const sessl_host *h, int brief)
{
    const char *rest = memchr(h->name, '.', h->len);
    size_t len = rest == NULL ? 0 : h->len - (size_t)(rest - h->name);

    return n > 2 && p[0] == '*' && len == n - 1 && (brief || memchr(rest + 1, '.', len - 1) != NULL)
        && same_text(p + 1, rest, len) && takes_wildcards(h);
}

static int matches_name(const ASN1_IA5STRING *s, const sessl_host *h, int brief)
{
    const uint8_t *p = ASN1_STRING_get0_data(s); /* borrowed */
    int n = ASN1_STRING_length(s);

    return n > 0
        && (((size_t)n == h->len && same_text(p, h->name, h->len))
            || matches_wildcard(p, (size_t)n, h, brief));
}

static int matches_address(const ASN1_OCTET_STRING *s, const sessl_host *h)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const uint8_t *p = ASN1_STRING_get0_data(s); /* borrowed */
    int n = ASN1_STRING_length(s);

    if (n == 16 && memcmp(p, mapped, sizeof(mapped)) == 0) {
        p += sizeof(mapped);
        n = 4;
    }
    return n > 0 && (size_t)n == h->ip_len && memcmp(p, h->ip, h->ip_len) == 0;
}

static int have(const GENERAL_NAMES *names, const sessl_host *h, int brief)
{
    int i, ok = 0;

    for (i = 0; i < sk_GENERAL_NAME_num(names) && !ok; i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i); /* borrowed */

        if (h->ip_len > 0)
            ok = g->type == GEN_IPADD && matches_address(g->d.iPAddress, h);
        else
            ok = h->name != NULL && g->type == GEN_DNS && matches_name(g->d.dNSName, h, brief);
    }
    return ok;
}

/* 1 when x names h in its subjectAltName, which is the only place that counts. */
int sessl_cert_is_for(X509 *x, const sessl_host *h)
{
    GENERAL_NAMES *names;
    int ok;

    ERR_set_mark();
    names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL); /* ours */
    ok = have(names, h, 0);
    GENERAL_NAMES_free(names);
    ERR_pop_to_mark();
    return ok;
}

/* 1 when some client could take a certificate with those names for h's. */
int sessl_names_have(const GENERAL_NAMES *names, const sessl_host *h)
{
    return have(names, h, 1);
}

/* What the client asks for, for the caller to clear: its SNI, in the form in which names are
 * compared. An address is none, but there are clients that send it. 0 for nothing. */
int sessl_host_asked(SSL *ssl, sessl_host *h)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name); /* borrowed */
    size_t i, n = name == NULL ? 0 : strlen(name);
    ASN1_OCTET_STRING *ip;
    int ok;

    memset(h, 0, sizeof(*h));
    if (n == 0)
        return 0;
    ERR_set_mark();
    ip = a2i_IPADDRESS(name); /* ours */
    ERR_pop_to_mark();
    if (ip != NULL)
        ok = sessl_host_set(h, NULL, 0, ASN1_STRING_get0_data(ip), (size_t)ASN1_STRING_length(ip));
    else
        ok = sessl_host_set(h, name, n - (name[n - 1] == '.'), NULL, 0);
    ASN1_OCTET_STRING_free(ip);
    for (i = 0; i < h->len; i++)
        h->name[i] = (char)lower((uint8_t)h->name[i]);
    return ok;
}

/* Copies; 0 without memory. */
int sessl_host_set(sessl_host *h, const char *name, size_t n, const uint8_t *ip, size_t ip_len)
{
    char *copy = ip_len > 0 ? NULL : OPENSSL_strndup(name, n);

    if (ip_len > sizeof(h->ip) || (copy == NULL && ip_len == 0))
        return 0;
    sessl_host_clear(h);
    h->name = copy;
    h->len = copy == NULL ? 0 : n;
    if (ip_len > 0)
        memcpy(h->ip, ip, ip_len);
    h->ip_len = ip_len;
    return 1;
}

void sessl_host_clear(sessl_host *h)
{
    OPENSSL_free(h->name);
    memset(h, 0, sizeof(*h));
}

/* SNI, which is never an address, and what verification demands when check is set. Go has refused names that
 * libssl would not take. */
int sessl_conn_set_name(sessl_conn *c, const char *name, size_t n, const uint8_t *ip, size_t ip_len,
                        int check, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    ok = sessl_host_set(&c->host, name, n, ip, ip_len)
        && (ip_len > 0 || SSL_set_tlsext_host_name(c->ssl, c->host.name)); /* copies */
    c->check_host = check;
    /* The subject is no name: name constraints are not about it either. */
    X509_VERIFY_PARAM_set_hostflags(SSL_get0_param(c->ssl), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    sessl_err_take(e);
    e->no_memory |= !ok; /* not all versions queue that */
    return ok;
}

/* sessl_cert_is_for, for tests. */
int sessl_der_is_for(const uint8_t *der, size_t n, const char *name, size_t name_len, const uint8_t *ip,
                     size_t ip_len)
{
    sessl_host h = {0};
    sessl_err e;
    X509 *x;
    int ok;

    sessl_err_begin(&e);
    x = sessl_parse_cert(&der, n, &e); /* returns +1 */
    ok = x != NULL && sessl_host_set(&h, name, name_len, ip, ip_len) && sessl_cert_is_for(x, &h);
    sessl_host_clear(&h);
    X509_free(x);
    sessl_err_take(&e);
    return ok;
}
