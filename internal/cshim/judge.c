#include "cshim.h"

/* The application has the last word on a server's certificate, before the client has sent
 * anything that depends on it: libssl calls us where it would verify, and waits there
 * (SSL_set_retry_verify, 3.0) until Go has asked. */

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

static int verify(X509_STORE_CTX *store, void *arg)
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
    else if (X509_verify_cert(store) <= 0)
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

/* For a client whose application judges; with only, nobody else does. Before 3.0 the
 * application is asked when the handshake is over. */
void sessl_ctx_set_judge(SSL_CTX *ctx, int only)
{
#if SESSL_HAVE_3_0
    static const char yes;

    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, only ? NULL : sessl_verify_cb); /* else libssl would ignore a no */
    SSL_CTX_set_cert_verify_callback(ctx, verify, only ? (void *)&yes : NULL);
#else
    (void)ctx, (void)only;
#endif
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
