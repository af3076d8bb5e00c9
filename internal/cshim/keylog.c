#include "private.h"

/* Lines for a key log wait on the connection until Go takes them, at the end of the step
 * that made them. They are secrets: every copy here is wiped. */

/* A handshake has less. Each KeyUpdate of a peer has a line, too, with some versions: where Go
 * does not take them for long, the oldest go. */
#define KEYLOG_MAX 16384

/* SSL_CTX_set_keylog_callback: one line, without its end. A line that is lost fails the
 * handshake, as every allocation that fails does. */
void sessl_keylog_cb(const SSL *ssl, const char *line)
{
    sessl_conn *c = SSL_get_ex_data(ssl, sessl_ssl_slot);
    size_t n = strlen(line);
    uint8_t *lines;

    if (c == NULL)
        return;
    if (c->keylog_len + n + 1 > KEYLOG_MAX)
        sessl_conn_take_keylog(c, NULL);
    lines = OPENSSL_malloc(c->keylog_len + n + 1);
    if (lines == NULL) {
        c->alloc_failed = 1;
        return;
    }
    if (c->keylog_len > 0)
        memcpy(lines, c->keylog, c->keylog_len);
    memcpy(lines + c->keylog_len, line, n);
    lines[c->keylog_len + n] = '\n';
    OPENSSL_clear_free(c->keylog, c->keylog_len);
    c->keylog = lines;
    c->keylog_len += n + 1;
}

/* Moves the lines that wait to out, which has room for keylog_len bytes; NULL drops them. */
void sessl_conn_take_keylog(sessl_conn *c, uint8_t *out)
{
    if (out != NULL && c->keylog_len > 0)
        memcpy(out, c->keylog, c->keylog_len);
    OPENSSL_clear_free(c->keylog, c->keylog_len);
    c->keylog = NULL;
    c->keylog_len = 0;
}

void sessl_ctx_log_keys(SSL_CTX *ctx)
{
    SSL_CTX_set_keylog_callback(ctx, sessl_keylog_cb);
}
