#include "cshim.h"

/* The verification of a server. libssl calls us in the place of X509_verify_cert, so that the
 * name is looked at by our rules; and the application has the last word, before the client
 * has sent anything that depends on the certificate: there libssl waits (SSL_set_retry_verify,
 * 3.0) until Go has asked. */

/* 1 when the chain has a root and the leaf is for the host that was asked for. */
static int verify_chain(sessl_conn *c, X509_STORE_CTX *store)
{
    X509 *leaf = X509_STORE_CTX_get0_cert(store); /* borrowed */

    if (X509_verify_cert(store) <= 0)
        return 0;
    if (!c->check_host || (leaf != NULL && sessl_cert_is_for(leaf, &c->host)))
        return 1;
    X509_STORE_CTX_set_error(store, c->host.ip_len > 0 ? X509_V_ERR_IP_ADDRESS_MISMATCH : X509_V_ERR_HOSTNAME_MISMATCH);
    X509_STORE_CTX_set_error_depth(store, 0);
    X509_STORE_CTX_set_current_cert(store, leaf);
    return sessl_verify_cb(0, store);
}

/* SSL_CTX_set_cert_verify_callback of a client that verifies and asks nobody else. */
static int verify(X509_STORE_CTX *store, void *arg)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    sessl_conn *c = ssl == NULL ? NULL : SSL_get_ex_data(ssl, sessl_ssl_slot);

    (void)arg;
    if (c != NULL)
        return verify_chain(c, store);
    X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);
    return 0;
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

/* The same where the application has the last word; with arg, nobody else judges. */
static int judge(X509_STORE_CTX *store, void *arg)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    sessl_conn *c = ssl == NULL ? NULL : SSL_get_ex_data(ssl, sessl_ssl_slot);
    int only = arg != NULL;

    if (c == NULL || c->refused) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED); /* bad_certificate */
        return 0;
    }
    if (only)
        X509_STORE_CTX_set_error(store, X509_V_OK);
    else if (!verify_chain(c, store))
        return 0;
    if (c->judged)
        return 1;
    if (!keep_chains(c, store, only)) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_OUT_OF_MEM);
        return 0;
    }
    c->ask = SESSL_ASK_VERIFY;
    return SSL_set_retry_verify(ssl);
}
#endif

void sessl_conn_forget_chains(sessl_conn *c)
{
    sk_X509_pop_free(c->sent, X509_free); /* -1 on each */
    sk_X509_pop_free(c->built, X509_free);
    c->sent = c->built = NULL;
}

/* A client verifies servers, or its application judges them (ask), or both. Before 3.0 the
 * application is asked when the handshake is over. */
void sessl_ctx_set_judge(SSL_CTX *ctx, int ask, int check)
{
#if SESSL_HAVE_3_0
    static const char yes;

    if (ask) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, check ? sessl_verify_cb : NULL); /* else libssl would ignore a no */
        SSL_CTX_set_cert_verify_callback(ctx, judge, check ? NULL : (void *)&yes);
        return;
    }
#else
    (void)ask;
#endif
    if (check)
        SSL_CTX_set_cert_verify_callback(ctx, verify, NULL);
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
    sessl_conn_forget_chains(c);
}
