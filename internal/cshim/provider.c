#include "private.h"

#if SESSL_HAVE_3_0
#include <openssl/conf.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <pthread.h>

/* The library context of all Ctxs that want FIPS, made for the first of them. It is never
 * freed: keys and certificates in sessions lead to it and outlive every Ctx. */
static OSSL_LIB_CTX *fips;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The provider checks itself against what its configuration says, which the default file
 * includes where an administrator has set it up. */
static int load(OSSL_LIB_CTX *lib)
{
    char *file = CONF_get1_default_config_file(); /* ours */
    OSSL_PROVIDER *own, *base = NULL;

    ERR_set_mark();
    if (file != NULL)
        OSSL_LIB_CTX_load_config(lib, file);
    OPENSSL_free(file);
    ERR_pop_to_mark();                     /* a file that is missing or of no use shows below */
    own = OSSL_PROVIDER_load(lib, "fips"); /* +1, kept by lib for good */
    if (own != NULL)
        base = OSSL_PROVIDER_load(lib, "base"); /* decodes keys, computes nothing */
    if (base != NULL && EVP_default_properties_enable_fips(lib, 1))
        return 1;
    OSSL_PROVIDER_unload(base);
    OSSL_PROVIDER_unload(own);
    return 0;
}

/* A query that cannot be parsed is no query at all to libssl, which then takes anything. */
static int can_parse(const char *query)
{
    OSSL_LIB_CTX *lib = OSSL_LIB_CTX_new();
    int ok = lib != NULL && EVP_set_default_properties(lib, query);

    OSSL_LIB_CTX_free(lib);
    return ok;
}

static OSSL_LIB_CTX *fips_context(void)
{
    OSSL_LIB_CTX *lib;

    pthread_mutex_lock(&lock);
    if (fips == NULL && (lib = OSSL_LIB_CTX_new()) != NULL) {
        if (load(lib))
            fips = lib;
        else
            OSSL_LIB_CTX_free(lib);
    }
    lib = fips;
    pthread_mutex_unlock(&lock);
    return lib;
}
#endif

/* SSL_CTX_new, or with FIPS or a property query SSL_CTX_new_ex; returns +1. */
SSL_CTX *sessl_ctx_make(int server, int want_fips, const char *query, int *why)
{
    const SSL_METHOD *method = server ? TLS_server_method() : TLS_client_method();
    SSL_CTX *ctx = NULL;

    *why = SESSL_CTX_NO_FIPS;
    if (!want_fips && query == NULL) {
        *why = SESSL_CTX_FAILED;
        return SSL_CTX_new(method);
    }
#if SESSL_HAVE_3_0
    if (!can_parse(query)) {
        *why = SESSL_CTX_BAD_QUERY;
    } else if (!want_fips || fips_context() != NULL) {
        *why = SESSL_CTX_NO_MATCH;
        ctx = SSL_CTX_new_ex(want_fips ? fips : NULL, query, method);
    }
#else
    *why = SESSL_CTX_NEEDS_3_0;
#endif
    return ctx;
}

/* AES in CBC mode for a Ctx with these settings: returns +1, NULL where its providers have
 * none. */
EVP_CIPHER *sessl_aes_cbc(int bits, int want_fips, const char *query)
{
#if SESSL_HAVE_3_0
    return EVP_CIPHER_fetch(want_fips ? fips_context() : NULL, bits == 256 ? "AES-256-CBC" : "AES-128-CBC",
                            query);
#else
    (void)want_fips, (void)query;
    return (EVP_CIPHER *)(bits == 256 ? EVP_aes_256_cbc() : EVP_aes_128_cbc()); /* static */
#endif
}

/* A hash, the same way. */
EVP_MD *sessl_md(const char *name, int want_fips, const char *query)
{
#if SESSL_HAVE_3_0
    return EVP_MD_fetch(want_fips ? fips_context() : NULL, name, query);
#else
    (void)want_fips, (void)query;
    return (EVP_MD *)EVP_get_digestbyname(name); /* static */
#endif
}

void sessl_md_free(EVP_MD *md)
{
#if SESSL_HAVE_3_0
    EVP_MD_free(md);
#else
    (void)md;
#endif
}

/* HMAC, the same way; before 3.0 there is nothing to look up. */
void *sessl_hmac(int want_fips, const char *query)
{
#if SESSL_HAVE_3_0
    return EVP_MAC_fetch(want_fips ? fips_context() : NULL, "HMAC", query);
#else
    (void)want_fips, (void)query;
    return NULL;
#endif
}

void sessl_hmac_free(void *mac)
{
#if SESSL_HAVE_3_0
    EVP_MAC_free(mac);
#else
    (void)mac;
#endif
}

void sessl_aes_cbc_free(EVP_CIPHER *c)
{
#if SESSL_HAVE_3_0
    EVP_CIPHER_free(c);
#else
    (void)c;
#endif
}
