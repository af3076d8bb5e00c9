#include "private.h"
#include "signer.h"

/* A key that Go has, for libssl: an EVP_PKEY of a provider of our own, which knows the public key
 * of a certificate and has Go sign. The provider is in a library context of its own, so nothing
 * else in the process finds it. libssl asks its own context for an implementation first; as the
 * key cannot be exported, it falls back to the key's provider. */

static atomic_uint_fast64_t made, freed;

/* Objects of the provider, which are one EVP_PKEY each. */
void sessl_signer_counts(uint64_t *m, uint64_t *f)
{
    *f = atomic_load(&freed); /* first: a key that is freed in between would count as never made */
    *m = atomic_load(&made);
}

#if SESSL_HAVE_3_0
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#define PARAM_KEY "sessl-key" /* the address of a key, to import */

typedef struct key {
    EVP_PKEY *pub; /* one reference */
    uint64_t cert; /* the number of the certificate */
} key;

static void copy_key(key *to, const key *from)
{
    EVP_PKEY_up_ref(from->pub); /* +1 */
    *to = *from;
}

/* ---- key management ---- */

static void *key_new(void *provctx)
{
    (void)provctx;
    return OPENSSL_zalloc(sizeof(key));
}

static void key_free(void *data)
{
    key *k = data;

    if (k == NULL)
        return;
    if (k->pub != NULL)
        atomic_fetch_add(&freed, 1);
    EVP_PKEY_free(k->pub); /* -1 */
    OPENSSL_free(k);
}

static int key_has(const void *data, int selection)
{
    (void)selection; /* the private part, too: somewhere */
    return data != NULL;
}

/* Only what make_key below gives. */
static int key_import(void *data, int selection, const OSSL_PARAM params[])
{
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, PARAM_KEY);
    const key *from;

    (void)selection;
    if (p == NULL || p->data_size != sizeof(from))
        return 0;
    memcpy(&from, p->data, sizeof(from));
    copy_key(data, from);
    atomic_fetch_add(&made, 1);
    return 1;
}

static const OSSL_PARAM *key_import_types(int selection)
{
    static const OSSL_PARAM types[] = {OSSL_PARAM_octet_string(PARAM_KEY, NULL, 0), OSSL_PARAM_END};

    (void)selection;
    return types;
}

/* The public part, which others compare and count bits of. */
static int key_export(void *data, int selection, OSSL_CALLBACK *take, void *arg)
{
    const key *k = data;
    OSSL_PARAM *params = NULL;
    int ok;

    if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0)
        return 0;
    ok = EVP_PKEY_todata(k->pub, EVP_PKEY_PUBLIC_KEY, &params) > 0 && take(params, arg);
    OSSL_PARAM_free(params);
    return ok;
}

static const OSSL_PARAM *no_params(int selection)
{
    static const OSSL_PARAM none[] = {OSSL_PARAM_END};

    (void)selection;
    return none;
}

/* Sizes, group and hashes are those of the public key. */
static int key_get_params(void *data, OSSL_PARAM params[])
{
    return EVP_PKEY_get_params(((key *)data)->pub, params);
}

static const OSSL_PARAM *key_gettable(void *provctx)
{
    static const OSSL_PARAM some[] = {OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
                                      OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
                                      OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL), OSSL_PARAM_END};

    (void)provctx;
    return some;
}

static const char *ec_operation(int operation)
{
    return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

/* ---- signatures ---- */

typedef struct signature {
    key key;
    char hash[16];
    int pss;
} signature;

static void *signature_new(void *provctx, const char *query)
{
    (void)provctx, (void)query;
    return OPENSSL_zalloc(sizeof(signature));
}

static void signature_free(void *ctx)
{
    signature *s = ctx;

    if (s != NULL)
        EVP_PKEY_free(s->key.pub); /* -1 */
    OPENSSL_free(s);
}

/* A parameter that is a number or a name. */
static int is_either(const OSSL_PARAM *p, int number, const char *name)
{
    const char *text = NULL;
    int n = 0;

    if (p->data_type == OSSL_PARAM_UTF8_STRING)
        return OSSL_PARAM_get_utf8_string_ptr(p, &text) && strcmp(text, name) == 0;
    return OSSL_PARAM_get_int(p, &n) && n == number;
}

/* The paddings of TLS, and no others. */
static int signature_set(void *ctx, const OSSL_PARAM params[])
{
    signature *s = ctx;
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);

    if (p != NULL) {
        s->pss = is_either(p, RSA_PKCS1_PSS_PADDING, OSSL_PKEY_RSA_PAD_MODE_PSS);
        if (!s->pss && !is_either(p, RSA_PKCS1_PADDING, OSSL_PKEY_RSA_PAD_MODE_PKCSV15))
            return 0;
    }
    p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
    return p == NULL || is_either(p, RSA_PSS_SALTLEN_DIGEST, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST);
}

static const OSSL_PARAM *signature_settable(void *ctx, void *provctx)
{
    static const OSSL_PARAM some[] = {OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
                                      OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
                                      OSSL_PARAM_END};

    (void)ctx, (void)provctx;
    return some;
}

static int signature_init(void *ctx, const char *hash, void *data, const OSSL_PARAM params[])
{
    signature *s = ctx;

    if (data != NULL) {
        EVP_PKEY_free(s->key.pub);
        copy_key(&s->key, data);
    }
    if (hash != NULL) {
        if (strlen(hash) >= sizeof(s->hash))
            return 0;
        strcpy(s->hash, hash);
    }
    return s->key.pub != NULL && (params == NULL || signature_set(s, params));
}

static int signature_sign(void *ctx, unsigned char *sig, size_t *n, size_t cap, const unsigned char *p,
                          size_t len)
{
    const signature *s = ctx;
    sessl_tbs tbs = {s->key.cert, s->hash, s->pss, p, len};
    uint8_t *got;

    if (sig == NULL) {
        *n = (size_t)EVP_PKEY_get_size(s->key.pub);
        return 1;
    }
    got = sessl_signing_wait(&tbs, n); /* ours */
    if (got != NULL && *n <= cap)
        memcpy(sig, got, *n);
    OPENSSL_free(got);
    return got != NULL && *n <= cap;
}

/* ---- the provider ---- */

#define FUNC(id, f)             \
    {                           \
        id, (void (*)(void))(f) \
    }

#define KEY_FUNCS                                                                                            \
    FUNC(OSSL_FUNC_KEYMGMT_NEW, key_new), FUNC(OSSL_FUNC_KEYMGMT_FREE, key_free),                            \
        FUNC(OSSL_FUNC_KEYMGMT_HAS, key_has), FUNC(OSSL_FUNC_KEYMGMT_IMPORT, key_import),                    \
        FUNC(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_import_types), FUNC(OSSL_FUNC_KEYMGMT_EXPORT, key_export),  \
        FUNC(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, no_params), FUNC(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params), \
        FUNC(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable)

static const OSSL_DISPATCH key_funcs[] = {KEY_FUNCS, {0, NULL}};

static const OSSL_DISPATCH ec_funcs[] = {
    KEY_FUNCS, FUNC(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, ec_operation), {0, NULL}};

static const OSSL_DISPATCH signature_funcs[] = {
    FUNC(OSSL_FUNC_SIGNATURE_NEWCTX, signature_new),
    FUNC(OSSL_FUNC_SIGNATURE_FREECTX, signature_free),
    FUNC(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signature_init),
    FUNC(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, signature_sign),
    FUNC(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signature_set),
    FUNC(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signature_settable),
    {0, NULL}};

static const OSSL_ALGORITHM keys[] = {{"RSA:rsaEncryption", "provider=sessl", key_funcs, NULL},
                                      {"EC:id-ecPublicKey", "provider=sessl", ec_funcs, NULL},
                                      {"ED25519", "provider=sessl", key_funcs, NULL},
                                      {NULL, NULL, NULL, NULL}};

static const OSSL_ALGORITHM signatures[] = {{"RSA:rsaEncryption", "provider=sessl", signature_funcs, NULL},
                                            {"ECDSA", "provider=sessl", signature_funcs, NULL},
                                            {"ED25519", "provider=sessl", signature_funcs, NULL},
                                            {NULL, NULL, NULL, NULL}};

static const OSSL_ALGORITHM *query_operation(void *provctx, int operation, int *no_cache)
{
    (void)provctx;
    *no_cache = 0;
    switch (operation) {
    case OSSL_OP_KEYMGMT: return keys;
    case OSSL_OP_SIGNATURE: return signatures;
    }
    return NULL;
}

static int provider_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                         void **provctx)
{
    static const OSSL_DISPATCH funcs[] = {FUNC(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query_operation),
                                          {0, NULL}};

    (void)in;
    *out = funcs;
    *provctx = (void *)core; /* NULL would be none */
    return 1;
}

/* Made for the first key, and never freed: keys lead to it. */
static OSSL_LIB_CTX *own_context(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static OSSL_LIB_CTX *own;
    OSSL_LIB_CTX *lib;

    pthread_mutex_lock(&lock);
    if (own == NULL && (lib = OSSL_LIB_CTX_new()) != NULL) {
        if (OSSL_PROVIDER_add_builtin(lib, "sessl", provider_init)
            && OSSL_PROVIDER_load(lib, "sessl") != NULL) /* +1, kept by lib for good */
            own = lib;
        else
            OSSL_LIB_CTX_free(lib);
    }
    lib = own;
    pthread_mutex_unlock(&lock);
    return lib;
}

static const char *type_of(const EVP_PKEY *pub)
{
    static const char *const types[] = {"RSA", "EC", "ED25519"};
    size_t i;

    for (i = 0; pub != NULL && i < sizeof(types) / sizeof(types[0]); i++)
        if (EVP_PKEY_is_a(pub, types[i]))
            return types[i];
    return NULL;
}

/* The key of the certificate with that number, whose leaf it is; returns +1. *why is set where the
 * key cannot be had at all. */
EVP_PKEY *sessl_signer_key(X509 *leaf, uint64_t cert, int *why)
{
    key k = {X509_get0_pubkey(leaf), cert}; /* borrowed, and copied by the import */
    const key *from = &k;
    OSSL_PARAM params[] = {OSSL_PARAM_octet_string(PARAM_KEY, &from, sizeof(from)), OSSL_PARAM_END};
    const char *type = type_of(k.pub);
    OSSL_LIB_CTX *lib = type == NULL ? NULL : own_context();
    EVP_PKEY_CTX *ctx = lib == NULL ? NULL : EVP_PKEY_CTX_new_from_name(lib, type, NULL);
    EVP_PKEY *out = NULL;

    if (type == NULL)
        *why = SESSL_KEY_KIND;
    else if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) > 0)
        EVP_PKEY_fromdata(ctx, &out, EVP_PKEY_KEYPAIR, params);
    EVP_PKEY_CTX_free(ctx);
    return out;
}

/* Whether a Ctx with that property query gets from the provider what its key needs. */
int sessl_signer_fits(const sessl_cert *c, const char *query)
{
    const char *hash = EVP_PKEY_is_a(c->key, "ED25519") ? NULL : "SHA256";
    int ok = EVP_PKEY_digestsign_supports_digest(c->key, NULL, hash, query);

    sessl_err_clear();
    return ok;
}
#else
EVP_PKEY *sessl_signer_key(X509 *leaf, uint64_t cert, int *why)
{
    (void)leaf, (void)cert;
    *why = SESSL_KEY_NEEDS_3_0;
    return NULL;
}

int sessl_signer_fits(const sessl_cert *c, const char *query)
{
    (void)c, (void)query;
    return 0;
}
#endif
