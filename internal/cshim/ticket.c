#include "private.h"

#include <openssl/rand.h>

#if SESSL_HAVE_3_0
#include <openssl/core_names.h>
typedef EVP_MAC_CTX mac_ctx;
#else
#include <openssl/hmac.h>
typedef HMAC_CTX mac_ctx;
#endif

#define IV_LEN 16

/* In the ex_data of an SSL_CTX: the keys, and the ciphers of its own providers. */
typedef struct binding {
    sessl_ticket_keys *keys; /* one reference */
    EVP_CIPHER *aes128, *aes256;
    void *hmac;   /* an EVP_MAC, from 3.0 on */
    char query[]; /* for the digest; "" for none */
} binding;

int sessl_tickets_slot = -1;

static void unbind(binding *b)
{
    if (b == NULL)
        return;
    sessl_ticket_keys_free(b->keys);
    sessl_aes_cbc_free(b->aes128);
    sessl_aes_cbc_free(b->aes256);
    sessl_hmac_free(b->hmac);
    OPENSSL_free(b);
}

void sessl_tickets_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    unbind(ptr);
}

static int init_mac(mac_ctx *mac, const sessl_ticket_key *key, const binding *b)
{
#if SESSL_HAVE_3_0
    OSSL_PARAM params[4], *p = params;

    *p++ = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->hmac, key->half);
    *p++ = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0);
    if (b->query[0] != '\0')
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_PROPERTIES, (char *)b->query, 0);
    *p = OSSL_PARAM_construct_end();
    return EVP_MAC_CTX_set_params(mac, params);
#else
    (void)b;
    return HMAC_Init_ex(mac, key->hmac, (int)key->half, EVP_sha256(), NULL);
#endif
}

static const EVP_CIPHER *cipher_for(const binding *b, const sessl_ticket_key *key)
{
    return key->half == 32 ? b->aes256 : b->aes128;
}

/* Two tickets of one IV would show where the sessions in them begin to differ. */
static int begin_seal(const binding *b, const sessl_ticket_key *key, uint8_t *name, uint8_t *iv,
                      EVP_CIPHER_CTX *cipher, mac_ctx *mac)
{
    memcpy(name, key->name, sizeof(key->name));
    return RAND_bytes(iv, IV_LEN) > 0 && EVP_EncryptInit_ex(cipher, cipher_for(b, key), NULL, key->aes, iv)
        && init_mac(mac, key, b);
}

static int seal(const binding *b, const sessl_ticket_key *key, uint8_t *name, uint8_t *iv,
                EVP_CIPHER_CTX *cipher, mac_ctx *mac)
{
    if (!begin_seal(b, key, name, iv, cipher, mac))
        return -1;
    atomic_fetch_add(&b->keys->issued, 1);
    return 1;
}

/* A ticket of TLS 1.3 that is begun and not sent, where no key encrypts: see lastword.c. */
static int seal_for_none(const binding *b, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher, mac_ctx *mac)
{
    sessl_ticket_key key = {.half = 32};
    int ok;

    ok = RAND_bytes(key.name, sizeof(key.name)) > 0 && RAND_priv_bytes(key.hmac, sizeof(key.hmac)) > 0
        && RAND_priv_bytes(key.aes, sizeof(key.aes)) > 0 && begin_seal(b, &key, name, iv, cipher, mac);
    OPENSSL_cleanse(&key, sizeof(key));
    return ok ? 1 : -1;
}

/* A client may offer several tickets, and each twice. The one that resumes is tried last. */
static void note(const binding *b, sessl_conn *c, int what)
{
    if (c == NULL)
        return;
    if (what != SESSL_TICKET_UNKNOWN) {
        c->ticket = what;
    } else if (c->ticket == SESSL_TICKET_NONE) {
        c->ticket = what;
        atomic_fetch_add(&b->keys->unknown, 1);
    }
}

/* r->n if there is none of that name. */
static size_t find(const sessl_ticket_ring *r, const uint8_t *name)
{
    size_t i = 0;

    while (i < r->n && memcmp(r->keys[i]->name, name, sizeof(r->keys[i]->name)) != 0)
        i++;
    return i;
}

/* Whether the key of that ticket is here. */
int sessl_ticket_key_is_here(SSL_CTX *ctx, const uint8_t *ticket, size_t n)
{
    const binding *b = SSL_CTX_get_ex_data(ctx, sessl_tickets_slot);
    sessl_ticket_ring *r;
    int here;

    if (b == NULL || n < SESSL_TICKET_NAME)
        return 0;
    r = sessl_ticket_ring_take(b->keys);
    here = find(r, ticket) < r->n;
    sessl_ticket_ring_drop(r);
    return here;
}

/* 0: a full handshake; 1: the ticket may go on being used; 2: the client gets another. A TLS
 * 1.3 client that gets none with its resumption has none for the next: there it is always 2. Where no
 * key encrypts, a ticket of any key goes on being used. */
static int unseal(const binding *b, const sessl_ticket_ring *r, sessl_conn *c, SSL *ssl, const uint8_t *name,
                  const uint8_t *iv, EVP_CIPHER_CTX *cipher, mac_ctx *mac)
{
    const sessl_ticket_key *key;
    size_t i = find(r, name);
    int good = i == 0 || !r->seals;

    if (i == r->n) {
        note(b, c, SESSL_TICKET_UNKNOWN);
        return 0;
    }
    key = r->keys[i];
    if (!EVP_DecryptInit_ex(cipher, cipher_for(b, key), NULL, key->aes, iv) || !init_mac(mac, key, b))
        return -1;
    note(b, c, good ? SESSL_TICKET_CURRENT : SESSL_TICKET_OTHER);
    return good && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb, and its form of 1.1.1. */
static int ticket_key_cb(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                         mac_ctx *mac, int enc)
{
    const binding *b = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), sessl_tickets_slot);
    sessl_conn *c = SSL_get_ex_data(ssl, sessl_ssl_slot);
    sessl_ticket_ring *r = c != NULL && c->keys != NULL ? c->keys : sessl_ticket_ring_take(b->keys);
    int ret;

    if (!enc)
        ret = unseal(b, r, c, ssl, name, iv, cipher, mac);
    else if (r->seals)
        ret = seal(b, r->keys[0], name, iv, cipher, mac);
    else
        ret = seal_for_none(b, name, iv, cipher, mac);
    if (c == NULL || r != c->keys)
        sessl_ticket_ring_drop(r);
    return ret;
}

/* The keys that are in force now serve the connection until sessl_conn_drop_keys, so that what replaces
 * them meanwhile does not leave it without a key in the middle of a handshake. Whether sessions can be
 * issued in TLS 1.3: with a key of libssl's own they can always, and where there is a cache, too, those
 * for which there is no key stay in it. */
int sessl_conn_hold_keys(sessl_conn *c, SSL *ssl)
{
    const binding *b = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), sessl_tickets_slot);

    if (b == NULL)
        return 1;
    if (c->keys == NULL)
        c->keys = sessl_ticket_ring_take(b->keys); /* +1, the connection's */
    return c->keys->seals || c->forms != SESSL_FORM_ONE;
}

/* Whether one of the keys that are held encrypts, or libssl's own does. */
int sessl_conn_seals(const sessl_conn *c)
{
    return c->keys == NULL || c->keys->seals;
}

void sessl_conn_drop_keys(sessl_conn *c)
{
    sessl_ticket_ring_drop(c->keys);
    c->keys = NULL;
}

/* Counts a connection that got no ticket, and a call that makes none. */
void sessl_conn_withheld(sessl_conn *c)
{
    const binding *b = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(c->ssl), sessl_tickets_slot);

    if (b != NULL)
        atomic_fetch_add(&b->keys->withheld, 1);
}

#define MAC_LEN 32 /* SHA-256's */

static int compute_mac(const binding *b, const sessl_ticket_key *key, const uint8_t *p, size_t n,
                       uint8_t *out)
{
#if SESSL_HAVE_3_0
    EVP_MAC_CTX *mac = b->hmac == NULL ? NULL : EVP_MAC_CTX_new(b->hmac);
    size_t len = 0;
    int ok = mac != NULL && init_mac(mac, key, b) && EVP_MAC_init(mac, NULL, 0, NULL)
        && EVP_MAC_update(mac, p, n) && EVP_MAC_final(mac, out, &len, MAC_LEN) && len == MAC_LEN;

    EVP_MAC_CTX_free(mac);
    return ok;
#else
    unsigned len = 0;

    (void)b;
    return HMAC(EVP_sha256(), key->hmac, (int)key->half, p, n, out, &len) != NULL && len == MAC_LEN;
#endif
}

static SSL_SESSION *decrypt(const binding *b, const sessl_ticket_key *key, const uint8_t *p, size_t n)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    uint8_t *der = OPENSSL_malloc(n);
    const uint8_t *q = der;
    int some = 0, rest = 0;
    SSL_SESSION *s = NULL;

    if (cipher != NULL && der != NULL
        && EVP_DecryptInit_ex(cipher, cipher_for(b, key), NULL, key->aes, p - IV_LEN)
        && EVP_DecryptUpdate(cipher, der, &some, p, (int)n) && EVP_DecryptFinal_ex(cipher, der + some, &rest))
        s = d2i_SSL_SESSION(NULL, &q, some + rest); /* returns +1 */
    EVP_CIPHER_CTX_free(cipher);
    OPENSSL_clear_free(der, n);
    return s;
}

/* The handshake is over. That a key was known does not say that the ticket was good. */
void sessl_conn_ticket_done(sessl_conn *c)
{
    const binding *b = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(c->ssl), sessl_tickets_slot);
    int what = c->ticket;

    c->ticket = SESSL_TICKET_NONE;
    sessl_conn_drop_keys(c);
    if (c->withheld & (SSL_version(c->ssl) < TLS1_3_VERSION ? SESSL_WITHHELD_12 : SESSL_WITHHELD_13))
        sessl_conn_withheld(c);
    if (b == NULL || what < SESSL_TICKET_CURRENT)
        return;
    if (!SSL_session_reused(c->ssl))
        atomic_fetch_add(&b->keys->declined, 1);
    else if (what == SESSL_TICKET_CURRENT)
        atomic_fetch_add(&b->keys->resumed, 1);
    else
        atomic_fetch_add(&b->keys->renewed, 1);
}

static int set_cb(SSL_CTX *ctx)
{
#if SESSL_HAVE_3_0
    return SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, ticket_key_cb) > 0;
#else
    return SSL_CTX_set_tlsext_ticket_key_cb(ctx, ticket_key_cb) > 0;
#endif
}

static binding *make_binding(sessl_ticket_keys *k, int want_fips, const char *query)
{
    size_t n = query == NULL ? 0 : strlen(query);
    binding *b = OPENSSL_zalloc(sizeof(*b) + n + 1);

    if (b == NULL)
        return NULL;
    if (n > 0)
        memcpy(b->query, query, n);
    b->aes128 = sessl_aes_cbc(128, want_fips, query); /* returns +1 */
    b->aes256 = sessl_aes_cbc(256, want_fips, query);
    b->hmac = sessl_hmac(want_fips, query);
    if (k != NULL)
        atomic_fetch_add(&k->refs, 1); /* +1, the binding's */
    b->keys = k;
    return b;
}

static SSL_SESSION *open_with(const binding *b, const sessl_ticket_key *key, const uint8_t *p, size_t n)
{
    uint8_t mac[MAC_LEN];

    if (!compute_mac(b, key, p, n - MAC_LEN, mac) || CRYPTO_memcmp(mac, p + n - MAC_LEN, MAC_LEN) != 0)
        return NULL;
    return decrypt(b, key, p + SESSL_TICKET_NAME + IV_LEN, n - SESSL_TICKET_NAME - IV_LEN - MAC_LEN);
}

/* With the key that libssl has made, whose tickets are like our own. */
static SSL_SESSION *open_builtin(SSL_CTX *ctx, const uint8_t *p, size_t n, int want_fips, const char *query)
{
    binding *b = make_binding(NULL, want_fips, query);
    sessl_err e;
    sessl_ticket_key *key = sessl_ctx_ticket_key(ctx, &e); /* returns +1 */
    SSL_SESSION *s = NULL;

    if (b != NULL && b->aes256 != NULL && key != NULL && memcmp(key->name, p, sizeof(key->name)) == 0)
        s = open_with(b, key, p, n);
    sessl_ticket_key_free(key);
    unbind(b);
    return s;
}

/* +1: the session in a ticket that was made with a key that is here, which its end proves (RFC
 * 5077, section 4); NULL for any other. */
SSL_SESSION *sessl_conn_open_ticket(sessl_conn *c, const uint8_t *p, size_t n, int want_fips,
                                    const char *query)
{
    SSL_CTX *ctx = SSL_get_SSL_CTX(c->ssl); /* borrowed */
    const binding *b = SSL_CTX_get_ex_data(ctx, sessl_tickets_slot);
    SSL_SESSION *s = NULL;
    sessl_ticket_ring *r;
    size_t i;

    if (n <= SESSL_TICKET_NAME + IV_LEN + MAC_LEN || n > UINT16_MAX
        || SSL_CTX_get_options(ctx) & SSL_OP_NO_TICKET)
        return NULL;
    if (b == NULL)
        return open_builtin(ctx, p, n, want_fips, query);
    r = sessl_ticket_ring_take(b->keys);
    i = find(r, p);
    if (i < r->n)
        s = open_with(b, r->keys[i], p, n);
    sessl_ticket_ring_drop(r);
    return s;
}

/* ctx takes a reference of its own on k, for as long as it lives. -1: its providers have no
 * AES in CBC mode. */
int sessl_ctx_set_ticket_keys(SSL_CTX *ctx, sessl_ticket_keys *k, int want_fips, const char *query,
                              sessl_err *e)
{
    binding *b;
    int ret = 1;

    sessl_err_begin(e);
    b = make_binding(k, want_fips, query);
    if (b == NULL)
        ret = 0;
    else if (b->aes128 == NULL || b->aes256 == NULL)
        ret = -1;
    else if (!SSL_CTX_set_ex_data(ctx, sessl_tickets_slot, b)) /* freed with ctx */
        ret = 0;
    if (ret == 1)
        ret = set_cb(ctx);
    else
        unbind(b);
    e->no_memory |= ret == 0;
    sessl_err_take(e);
    return ret;
}
