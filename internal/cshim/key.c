#include "private.h"

#include <limits.h>
#if SESSL_HAVE_3_0
#include <openssl/proverr.h>
#endif

/* Reading a private key: PEM or DER, encrypted or not. The blocks are taken apart here and
 * not by PEM_read_bio_PrivateKey, so that what is missing can be told from what is
 * malformed, and no password is ever asked for on a terminal. */

typedef struct password {
    const uint8_t *p;
    int n; /* -1: there is none */
} password;

/* What came out of a decryption that libcrypto refused: the wrong password, as far as the
 * padding tells, or something else that e has the reason for. */
static int wrong_password(sessl_err *e)
{
    int i, found = 0;

    sessl_err_take(e);
    for (i = 0; i < e->n; i++) {
        unsigned long code = e->code[i];

        if (sessl_err_is(code, ERR_LIB_EVP, EVP_R_UNSUPPORTED_ALGORITHM))
            return 0;
        found |= sessl_err_is(code, ERR_LIB_EVP, EVP_R_BAD_DECRYPT);
#if SESSL_HAVE_3_0
        if (ERR_GET_REASON(code) == ERR_R_UNSUPPORTED) /* a number that all libraries share */
            return 0;
        found |= sessl_err_is(code, ERR_LIB_PROV, PROV_R_BAD_DECRYPT);
#endif
        found |= sessl_err_is(code, ERR_LIB_PKCS12, PKCS12_R_DECODE_ERROR);
    }
    return found && !e->no_memory;
}

static EVP_PKEY *parse(const uint8_t *der, long n, int encrypted, int *why, sessl_err *e)
{
    const unsigned char *p = der;
    EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &p, n); /* returns +1 */

    if (key == NULL && ERR_peek_error() == 0)
        e->no_memory = 1; /* what is malformed gets an error */
    /* With a wrong password the padding fits by chance once in 256. */
    if (key == NULL)
        *why = encrypted ? SESSL_KEY_WRONG_PASSWORD : SESSL_KEY_MALFORMED;
    return key;
}

/* PKCS#8, EncryptedPrivateKeyInfo. */
static EVP_PKEY *parse_pkcs8(const uint8_t *der, long n, const password *pw, int *why, sessl_err *e)
{
    const unsigned char *p = der;
    X509_SIG *sealed;
    PKCS8_PRIV_KEY_INFO *info;
    EVP_PKEY *key;

    sealed = d2i_X509_SIG(NULL, &p, n);
    if (sealed == NULL || pw->n < 0) {
        *why = sealed == NULL ? SESSL_KEY_MALFORMED : SESSL_KEY_NEEDS_PASSWORD;
        X509_SIG_free(sealed);
        return NULL;
    }
    info = PKCS8_decrypt(sealed, (const char *)pw->p, pw->n);
    X509_SIG_free(sealed);
    if (info == NULL) {
        *why = wrong_password(e) ? SESSL_KEY_WRONG_PASSWORD : 0;
        return NULL;
    }
    key = EVP_PKCS82PKEY(info);     /* returns +1 */
    PKCS8_PRIV_KEY_INFO_free(info); /* wipes */
    if (key == NULL)
        *why = SESSL_KEY_MALFORMED;
    return key;
}

static int give_password(char *buf, int size, int writing, void *u)
{
    const password *pw = u;

    (void)writing;
    if (pw->n < 0 || pw->n > size)
        return -1;
    if (pw->n > 0)
        memcpy(buf, pw->p, (size_t)pw->n);
    return pw->n;
}

/* A PEM block, which is decrypted in its place. */
static EVP_PKEY *parse_block(const char *name, char *header, uint8_t *data, long n, password *pw, int *why,
                             sessl_err *e)
{
    EVP_CIPHER_INFO cipher;

    if (strcmp(name, PEM_STRING_PKCS8) == 0)
        return parse_pkcs8(data, n, pw, why, e);
    if (!PEM_get_EVP_CIPHER_INFO(header, &cipher)) {
        *why = SESSL_KEY_MALFORMED;
        return NULL;
    }
    if (cipher.cipher != NULL && pw->n < 0) {
        *why = SESSL_KEY_NEEDS_PASSWORD;
        return NULL;
    }
    if (cipher.cipher != NULL && !PEM_do_header(&cipher, data, &n, give_password, pw)) {
        *why = wrong_password(e) ? SESSL_KEY_WRONG_PASSWORD : 0;
        return NULL;
    }
    return parse(data, n, cipher.cipher != NULL, why, e);
}

static int names_key(const char *name)
{
    return strcmp(name, PEM_STRING_PKCS8INF) == 0 || strcmp(name, PEM_STRING_PKCS8) == 0
        || strcmp(name, PEM_STRING_RSA) == 0 || strcmp(name, PEM_STRING_ECPRIVATEKEY) == 0;
}

/* The first block that is a key. *blocks is how many there were before it. */
static EVP_PKEY *parse_pem(BIO *in, password *pw, int *blocks, int *why, sessl_err *e)
{
    char *name, *header;
    unsigned char *data;
    long n;
    EVP_PKEY *key = NULL;
    int found = 0;

    for (*blocks = 0; !found; ++*blocks) {
        /* In secure memory if there is some, and wiped in any case. */
        if (!PEM_read_bio_ex(in, &name, &header, &data, &n, PEM_FLAG_SECURE | PEM_FLAG_EAY_COMPATIBLE)) {
            int over = sessl_err_is(ERR_peek_last_error(), ERR_LIB_PEM, PEM_R_NO_START_LINE);

            if (over)
                sessl_err_clear();
            *why = over ? SESSL_KEY_MISSING : SESSL_KEY_MALFORMED;
            return NULL;
        }
        found = names_key(name);
        if (found)
            key = parse_block(name, header, data, n, pw, why, e);
        OPENSSL_secure_free(name);
        OPENSSL_secure_free(header);
        OPENSSL_secure_clear_free(data, (size_t)n);
    }
    return key;
}

/* EncryptedPrivateKeyInfo begins with an algorithm, every plain form with a number. */
static int looks_encrypted(const uint8_t *der, long n)
{
    const unsigned char *p = der;
    long len;
    int tag, class, ret;

    ret = ASN1_get_object(&p, &len, &tag, &class, n);
    sessl_err_clear();
    return (ret & 0x80) == 0 && tag == V_ASN1_SEQUENCE && len > 0
        && *p == (V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED);
}

/* The key in p, returns +1; *why says what it failed for where OpenSSL does not. pass_len
 * is -1 without a password. */
EVP_PKEY *sessl_key_read(const uint8_t *p, size_t n, const uint8_t *pass, int pass_len, int *why,
                         sessl_err *e)
{
    password pw = {pass != NULL ? pass : (const uint8_t *)"", pass_len};
    EVP_PKEY *key;
    BIO *in;
    int blocks;

    *why = 0;
    if (n == 0 || n > INT_MAX) {
        *why = n == 0 ? SESSL_KEY_MISSING : SESSL_KEY_MALFORMED;
        return NULL;
    }
    in = BIO_new_mem_buf(p, (int)n); /* borrows p */
    if (in == NULL)
        return NULL;
    key = parse_pem(in, &pw, &blocks, why, e);
    BIO_free(in);
    if (key != NULL || blocks > 0 || *why != SESSL_KEY_MISSING || e->no_memory)
        return key;
    *why = 0;
    return looks_encrypted(p, (long)n) ? parse_pkcs8(p, (long)n, &pw, why, e) : parse(p, (long)n, 0, why, e);
}
