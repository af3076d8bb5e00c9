#include "private.h"

/* The verdict on what a peer shows. libssl calls us where it would verify (X509_verify_cert), on
 * both sides: where nothing is to be verified nothing is computed, and the name of a server is
 * looked at by our rules. A client's application has the last word, before the client has sent
 * anything that depends on the certificate: libssl waits there (SSL_set_retry_verify, 3.0) until Go
 * has asked. */

typedef struct rule {
    int check; /* there must be a chain to a root */
    int ask;   /* the application judges */
} rule;

static const rule rules[2][2] = {{{0, 0}, {0, 1}}, {{1, 0}, {1, 1}}};

/* What the session says of a peer that was not verified; libssl goes on all the same. */
#define UNVERIFIED X509_V_ERR_APPLICATION_VERIFICATION

static int refuse(X509_STORE_CTX *store, int why)
{
    X509_STORE_CTX_set_error(store, why);
    return 0;
}

/* libssl makes the alert of the error: those that it makes. The others become bad_certificate. */
static int error_for(int alert)
{
    switch (alert) {
    case SSL_AD_HANDSHAKE_FAILURE: return X509_V_ERR_APPLICATION_VERIFICATION;
    case SSL_AD_UNSUPPORTED_CERTIFICATE: return X509_V_ERR_INVALID_PURPOSE;
    case SSL_AD_CERTIFICATE_REVOKED: return X509_V_ERR_CERT_REVOKED;
    case SSL_AD_CERTIFICATE_EXPIRED: return X509_V_ERR_CERT_HAS_EXPIRED;
    case SSL_AD_UNKNOWN_CA: return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
    case SSL_AD_DECRYPT_ERROR: return X509_V_ERR_CERT_SIGNATURE_FAILURE;
    case SSL_AD_INTERNAL_ERROR: return X509_V_ERR_UNSPECIFIED;
    }
    return X509_V_ERR_CERT_REJECTED;
}

/* Whether one of the keys that were sent is too big; the connection notes which. The time that
 * a signature takes grows with the square of the key: crypto/tls has the same limit. */
static int has_big_key(sessl_conn *c, X509_STORE_CTX *store)
{
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store); /* borrowed, with the leaf */
    EVP_PKEY *raw = sessl_shown_raw_key(store);                  /* borrowed */
    int i, bits = sessl_modulus_bits(raw);

    if (bits > SESSL_MODULUS_MAX) {
        c->big_key = bits;
        return 1;
    }
    for (i = 0; i < sk_X509_num(sent); i++) {
        bits = sessl_modulus_bits(X509_get0_pubkey(sk_X509_value(sent, i)));
        if (bits <= SESSL_MODULUS_MAX)
            continue;
        c->big_key = bits;
        sessl_conn_blame(c, sk_X509_value(sent, i), i);
        return 1;
    }
    return 0;
}

/* 1 when the Ctx expects the key, which stands for its owner, whatever the host is called. */
static int verify_raw_key(sessl_conn *c, X509_STORE_CTX *store, EVP_PKEY *key)
{
    int why = sessl_judge_raw_key(c->ssl, key);

    X509_STORE_CTX_set_error(store, why);
    return why == X509_V_OK;
}

/* 1 when the chain has a root and the leaf is for the host, unless there is none to compare with. */
static int verify_chain(sessl_conn *c, X509_STORE_CTX *store, const sessl_host *host)
{
    X509 *leaf = X509_STORE_CTX_get0_cert(store); /* borrowed */
    int mismatch;

    if (!sessl_verify_paths(store))
        return 0;
    sessl_conn_blame(c, NULL, 0); /* what was wrong with other paths is of no consequence */
    if (host == NULL || (leaf != NULL && sessl_cert_is_for(leaf, host)))
        return 1;
    mismatch = host->ip_len > 0 ? X509_V_ERR_IP_ADDRESS_MISMATCH : X509_V_ERR_HOSTNAME_MISMATCH;
    X509_STORE_CTX_set_error(store, mismatch);
    X509_STORE_CTX_set_error_depth(store, 0);
    X509_STORE_CTX_set_current_cert(store, leaf);
    return sessl_verify_cb(0, store);
}

#if SESSL_HAVE_3_0
/* What the server sent, and the chain that was built; for Go to look at. */
static int keep_chains(sessl_conn *c, X509_STORE_CTX *store, int only)
{
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store); /* borrowed */

    sessl_conn_forget_chains(c);
    c->sent = X509_chain_up_ref(sent);           /* +1 on each */
    c->built = X509_STORE_CTX_get1_chain(store); /* +1 on each; NULL where none was built */
    return c->sent != NULL && (only || c->built != NULL);
}

/* libssl waits for Go's answer, and calls again. */
static int ask(sessl_conn *c, X509_STORE_CTX *store, int only)
{
    if (!keep_chains(c, store, only))
        return refuse(store, X509_V_ERR_OUT_OF_MEM);
    c->ask = SESSL_ASK_VERIFY;
    return SSL_set_retry_verify(c->ssl);
}
#endif

/* The application was content with what was verified before it was asked: libssl gets the chain
 * of then. */
static int go_on(sessl_conn *c, X509_STORE_CTX *store)
{
    X509_STORE_CTX_set0_verified_chain(store, c->built); /* takes the references over */
    c->built = NULL;
    sessl_conn_forget_chains(c);
    if ((c->ech & SESSL_ECH_PROVIDER) != 0)
        c->ech |= SESSL_ECH_REFUSED;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

/* The server could not read the inner ClientHello, and shows a certificate for the public name. Only one
 * that is verified can say so, and what to encrypt with instead: whatever the Ctx demands otherwise. libssl
 * ends the handshake after it. */
static int verify_provider(sessl_conn *c, X509_STORE_CTX *store)
{
    char *name = sessl_conn_ech_public_name(c);
    sessl_host host = {0};
    int ok;

    c->ech |= SESSL_ECH_PROVIDER;
#if SESSL_HAVE_3_0
    if ((c->ech & SESSL_ECH_ASKS) != 0) {
        OPENSSL_free(name);
        return ask(c, store, 1);
    }
#endif
    ok = name != NULL && sessl_host_set(&host, name, strlen(name), NULL, 0)
        ? verify_chain(c, store, &host)
        : refuse(store, X509_V_ERR_OUT_OF_MEM);
    if (ok)
        c->ech |= SESSL_ECH_REFUSED;
    sessl_host_clear(&host);
    OPENSSL_free(name);
    return ok;
}

static int verify_peer(sessl_conn *c, X509_STORE_CTX *store)
{
    EVP_PKEY *key = sessl_shown_raw_key(store); /* borrowed */

    return key != NULL ? verify_raw_key(c, store, key)
                       : verify_chain(c, store, c->check_host ? &c->host : NULL);
}

static int verdict(sessl_conn *c, X509_STORE_CTX *store, const rule *r)
{
    int raw = sessl_shown_raw_key(store) != NULL;

    if (c == NULL || c->refused)
        return refuse(store, error_for(c == NULL ? SSL_AD_BAD_CERTIFICATE : c->alert));
    if (c->judged)
        return go_on(c, store);
    if (!sessl_takes_type(c->ssl, raw)) {
        sessl_conn_blame(c, X509_STORE_CTX_get0_cert(store), 0);
        return refuse(store, error_for(SSL_AD_UNSUPPORTED_CERTIFICATE));
    }
    if (has_big_key(c, store))
        return refuse(store, X509_V_ERR_CERT_REJECTED);
    if ((c->ech & SESSL_ECH_OFFERED) != 0 && !sessl_conn_ech_accepted(c))
        return raw ? refuse(store, X509_V_ERR_CERT_REJECTED) : verify_provider(c, store);
    if (r->check && !verify_peer(c, store))
        return 0;
#if SESSL_HAVE_3_0
    if (r->ask)
        return ask(c, store, !r->check || raw);
#endif
    if (!r->check)
        X509_STORE_CTX_set_error(store, UNVERIFIED);
    return 1;
}

/* SSL_CTX_set_cert_verify_callback. What is queued on the way to a yes is no failure of the step:
 * SSL_get_error would take it for one as soon as the step wants more input. What is queued on
 * the way to a no is OpenSSL's reason. */
static int verify(X509_STORE_CTX *store, void *arg)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    sessl_conn *c = ssl == NULL ? NULL : SSL_get_ex_data(ssl, sessl_ssl_slot);
    int ok;

    ERR_set_mark();
    ok = verdict(c, store, arg);
    if (ok != 0) {
        ERR_pop_to_mark();
        return ok;
    }
    ERR_clear_last_mark();
    if (c != NULL && sessl_shown_raw_key(store) != NULL)
        sessl_conn_blame_key(c, sessl_shown_raw_key(store));
    if (c != NULL && c->sent == NULL) /* for the error to show; +1 on each, or nothing without memory */
        c->sent = X509_chain_up_ref(X509_STORE_CTX_get0_untrusted(store));
    return 0;
}

void sessl_conn_forget_chains(sessl_conn *c)
{
    sk_X509_pop_free(c->sent, X509_free); /* -1 on each */
    sk_X509_pop_free(c->built, X509_free);
    c->sent = c->built = NULL;
}

/* Whether the peer is asked for a certificate, must have one, and must have one that a root
 * vouches for; and whether the application judges, a client's: before 3.0 it is asked when the
 * handshake is over. libssl would ignore a no to a client that does not ask for a certificate. */
void sessl_ctx_set_verify(SSL_CTX *ctx, int request, int require, int check, int judge)
{
    int mode = SSL_VERIFY_NONE;

    if (request)
        mode |= SSL_VERIFY_PEER;
    if (require)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(ctx, mode, check ? sessl_verify_cb : NULL);
    SSL_CTX_set_cert_verify_callback(ctx, verify, (void *)&rules[!!check][!!judge]);
}

/* The i-th certificate that Go is to judge, leaf first, as it was sent or in the chain
 * that was built; 0 past the last, and negative without memory. */
int sessl_conn_judged_cert(sessl_conn *c, int built, int i, uint8_t **out)
{
    return sessl_cert_der(built ? c->built : c->sent, i, out);
}

/* The application is content: libssl may go on. */
void sessl_conn_judged(sessl_conn *c)
{
    c->judged = 1;
}
