#include "private.h"
#include "rpk.h"

/* What a connection has settled. The caller holds its mutex. */

static const char *group_name(SSL *ssl)
{
    if (SSL_get0_session(ssl) == NULL) /* libssl does not look */
        return NULL;
#if SESSL_HAVE_3_0
#if SESSL_HAVE_GROUP_NAME
    return SSL_get0_group_name(ssl);
#else
    int nid = (int)SSL_get_negotiated_group(ssl);

    return nid <= 0 ? NULL : SSL_group_to_name(ssl, nid);
#endif
#else
    (void)ssl;
    return NULL;
#endif
}

static int by_ticket(const sessl_conn *c)
{
    SSL_SESSION *s = SSL_get0_session(c->ssl); /* borrowed */

    if (c->forms != SESSL_FORM_ONE)
        return !c->stays;
    if (SSL_version(c->ssl) == TLS1_3_VERSION)
        return 1;
    return c->server ? (c->offers & SESSL_OFFERS_TICKET) != 0 : s != NULL && SSL_SESSION_has_ticket(s);
}

/* What of a ClientHello's offers a connection of that version could resume. */
static int offers_of(int version)
{
    return version == TLS1_3_VERSION ? SESSL_OFFERS_PSK : SESSL_OFFERS_ANY - SESSL_OFFERS_PSK;
}

/* Whether a server with both forms was shown an id that is not here, and no ticket. */
static int unknown_id(const sessl_conn *c)
{
    int what = SESSL_OFFERS_ID | SESSL_OFFERS_TICKET | SESSL_OFFERS_MAYBE;

    return c->forms != SESSL_FORM_ONE && !c->made_up && SSL_version(c->ssl) < TLS1_3_VERSION
        && (c->offers & what) == SESSL_OFFERS_MAYBE;
}

#if !SESSL_HAVE_SIGNATURE_NAME
/* What libssl tells of a scheme, besides the type of key that it is for. */
static const struct {
    int type, hash, key;
    const char *name;
} schemes[] = {
    {EVP_PKEY_ED25519, 0, 0, "ed25519"},
    {EVP_PKEY_ED448, 0, 0, "ed448"},
    {EVP_PKEY_EC, NID_sha256, 0, "ecdsa_secp256r1_sha256"},
    {EVP_PKEY_EC, NID_sha384, 0, "ecdsa_secp384r1_sha384"},
    {EVP_PKEY_EC, NID_sha512, 0, "ecdsa_secp521r1_sha512"},
    {EVP_PKEY_EC, NID_sha1, 0, "ecdsa_sha1"},
    {EVP_PKEY_RSA_PSS, NID_sha256, EVP_PKEY_RSA, "rsa_pss_rsae_sha256"},
    {EVP_PKEY_RSA_PSS, NID_sha384, EVP_PKEY_RSA, "rsa_pss_rsae_sha384"},
    {EVP_PKEY_RSA_PSS, NID_sha512, EVP_PKEY_RSA, "rsa_pss_rsae_sha512"},
    {EVP_PKEY_RSA_PSS, NID_sha256, EVP_PKEY_RSA_PSS, "rsa_pss_pss_sha256"},
    {EVP_PKEY_RSA_PSS, NID_sha384, EVP_PKEY_RSA_PSS, "rsa_pss_pss_sha384"},
    {EVP_PKEY_RSA_PSS, NID_sha512, EVP_PKEY_RSA_PSS, "rsa_pss_pss_sha512"},
    {EVP_PKEY_RSA, NID_sha256, 0, "rsa_pkcs1_sha256"},
    {EVP_PKEY_RSA, NID_sha384, 0, "rsa_pkcs1_sha384"},
    {EVP_PKEY_RSA, NID_sha512, 0, "rsa_pkcs1_sha512"},
    {EVP_PKEY_RSA, NID_sha1, 0, "rsa_pkcs1_sha1"},
};

/* What a scheme with RSA-PSS is called depends on the key. */
static int key_type(const SSL *ssl)
{
    SSL_SESSION *s = SSL_get0_session(ssl);                       /* borrowed */
    X509 *leaf = s == NULL ? NULL : SSL_SESSION_get0_peer(s);     /* borrowed */
    EVP_PKEY *key = leaf == NULL ? NULL : X509_get0_pubkey(leaf); /* borrowed */

    return key == NULL ? 0 : EVP_PKEY_base_id(key);
}
#endif

/* The scheme of the peer's signature in the handshake, by its name in the TLS registry; NULL where it
 * has not signed. TLS 1.2 has no signature of a client without a certificate, and TLS 1.0 and 1.1 have
 * no schemes. */
const char *sessl_conn_peer_scheme(const sessl_conn *c)
{
    const char *name = NULL;

    if (SSL_version(c->ssl) < TLS1_2_VERSION) /* libssl makes one up for ECDSA */
        return NULL;
#if SESSL_HAVE_SIGNATURE_NAME
    if (SSL_get0_peer_signature_name(c->ssl, &name) != 1)
        name = NULL;
#else
    int type = 0, hash = 0;
    size_t i;

    if (SSL_get_peer_signature_type_nid(c->ssl, &type) != 1)
        return NULL;
    if (SSL_get_peer_signature_nid(c->ssl, &hash) != 1)
        hash = 0;
    for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]) && name == NULL; i++)
        if (schemes[i].type == type && schemes[i].hash == hash
            && (schemes[i].key == 0 || schemes[i].key == key_type(c->ssl)))
            name = schemes[i].name;
#endif
    return name;
}

void sessl_conn_get_info(sessl_conn *c, sessl_conn_info *i)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(c->ssl); /* static */

    i->version = SSL_version(c->ssl);
    i->reused = SSL_session_reused(c->ssl);
    i->external_psk = c->psk.external;
    i->psk_skipped = c->psk.skipped;
    i->psk_identity = SSL_get_psk_identity(c->ssl);
    i->psk_hint = SSL_get_psk_identity_hint(c->ssl);
    i->by_ticket = i->reused && by_ticket(c);
    i->offered = (c->offers & offers_of(i->version)) != 0;
    i->unknown_id = unknown_id(c);
    i->cipher = cipher == NULL ? 0 : SSL_CIPHER_get_protocol_id(cipher);
    i->anonymous = sessl_cipher_anonymous(cipher);
    i->cipher_name = cipher == NULL ? "" : SSL_CIPHER_get_name(cipher);
    i->cipher_bits = cipher == NULL ? 0 : SSL_CIPHER_get_bits(cipher, NULL);
    i->group = group_name(c->ssl);
    i->scheme = sessl_conn_peer_scheme(c);
    i->retried = c->retried || c->hold.again;
    i->server_name = SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name);
    SSL_get0_alpn_selected(c->ssl, &i->alpn, &i->alpn_len);
    i->sent_cert = sessl_conn_sent_cert(c);
    i->staple_len = i->reused ? 0 : sessl_conn_staple(c, &i->staple);
    i->compressed = c->compressed;
    i->early = sessl_conn_early_status(c);
    i->session = SSL_get0_session(c->ssl); /* borrowed */
    i->raw = sessl_session_rate_raw(c->ssl, i->session);
    i->has_peer =
        i->raw != SESSL_RAW_NONE || (i->session != NULL && SSL_SESSION_get0_peer(i->session) != NULL);
    i->chain_len = i->session == NULL ? 0 : sessl_session_note(i->session, SESSL_CHAIN, &i->chain);
    i->ticket_data_len = c->server && i->reused ? sessl_conn_ticket_data(c, &i->ticket_data) : 0;
    sessl_err_clear();
}

/* The peer's i-th certificate, leaf first, as it was sent; 0 past the last, and
 * negative without memory. A client's chain includes the leaf, a server's does not, and a
 * parsed session has only the leaf. */
int sessl_conn_peer_cert(sessl_conn *c, int i, uint8_t **out)
{
    SSL_SESSION *s = SSL_get0_session(c->ssl); /* borrowed */
    sessl_err e;

    if (i == 0)
        return s == NULL ? 0 : sessl_session_peer_der(s, out, &e);
    return sessl_cert_der(SSL_get_peer_cert_chain(c->ssl), c->server ? i - 1 : i, out); /* borrowed */
}

/* The i-th certificate of the chain that was built and verified, leaf first. Only a full
 * handshake has one. */
int sessl_conn_verified_cert(sessl_conn *c, int i, uint8_t **out)
{
    return sessl_cert_der(SSL_get0_verified_chain(c->ssl), i, out); /* borrowed */
}

int sessl_conn_export(sessl_conn *c, uint8_t *out, size_t n, const char *label, size_t label_len,
                      const uint8_t *context, size_t context_len, int use_context, sessl_err *e)
{
    int ok;

    if (SSL_version(c->ssl) < TLS1_3_VERSION && SSL_get_extms_support(c->ssl) != 1)
        return -1;
    if (n == 0) /* an error in TLS 1.2, and none in TLS 1.3 */
        return 1;
    sessl_err_begin(e);
    ok = SSL_export_keying_material(c->ssl, out, n, label, label_len, context, context_len, use_context) == 1;
    sessl_err_take(e);
    return ok;
}

/* The update goes out with the next write. The caller has looked whether there is a message in part. */
int sessl_conn_key_update(sessl_conn *c, int request, sessl_err *e)
{
    int ok;

    sessl_err_begin(e);
    ok = SSL_key_update(c->ssl, request ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED)
        && SSL_do_handshake(c->ssl) == 1;
    sessl_err_take(e);
    return ok;
}

/* Decrypted bytes that a read would return without any input. */
size_t sessl_conn_pending(sessl_conn *c)
{
    return (size_t)SSL_pending(c->ssl);
}

/* Makes n TLS 1.3 tickets, with 3.0 or later; -1: there is no key for them. */
int sessl_conn_issue_tickets(sessl_conn *c, int n, sessl_err *e)
{
#if SESSL_HAVE_3_0
    int ok = sessl_conn_hold_keys(c, c->ssl) ? 1 : -1;

    sessl_err_begin(e);
    sessl_set_current_ctx(c->ctx_id);
    if (ok < 0)
        sessl_conn_withheld(c);
    for (; n > 0 && ok > 0; n--)
        ok = SSL_new_session_ticket(c->ssl) && SSL_do_handshake(c->ssl) == 1;
    sessl_conn_drop_keys(c);
    sessl_err_take(e);
    return ok;
#else
    (void)c, (void)n;
    sessl_err_begin(e);
    return 0;
#endif
}
