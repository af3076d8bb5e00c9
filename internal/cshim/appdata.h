/* A part of cshim.h. */
#ifndef SESSL_APPDATA_H
#define SESSL_APPDATA_H

/* ---- appdata.c, chain.c, policy.c: what our servers keep in their tickets besides the session ---- */

struct sessl_conn;

/* Of one connection of a server. */
typedef struct sessl_appdata {
    const SSL_SESSION *opened; /* what came out of the client's ticket; only to compare with */
    int64_t born;              /* the full handshake, if it was one */
    uint8_t *data, *brought;   /* for the tickets to come; what the resumed session had before that */
    size_t data_len, brought_len;
    int data_set, brought_set;
    int veto;                  /* the session of this connection is not to be resumed */
    int settled;               /* libssl has taken note of that, or has not */
} sessl_appdata;

/* A frame, read: pointers into its bytes. */
typedef struct sessl_frame {
    int64_t born;         /* the full handshake, in Unix seconds; 0: not known */
    int64_t deadline;     /* not to be resumed from then on; 0: none */
    const uint8_t *chain; /* NULL: none is kept */
    size_t chain_len;
    const uint8_t *data;  /* the application's */
    size_t data_len;
} sessl_frame;

/* A client has to send the ticket in the extensions of a ClientHello, which have 64 KiB for
 * all of them: a frame is never longer than this. */
#define SESSL_FRAME_MAX 32768

#define SESSL_FRAME_HEAD (4 + 8 + 8 + 1 + 3)

#define SESSL_TIME_MAX ((int64_t)1 << 40)

#define SESSL_CHAIN_MAX 32 /* certificates, as in Go */

#define SESSL_ID_PREFIX_MAX 16 /* leaves 128 random bits */

/* What a server wants of sessions, for the callbacks; in the ex_data of its SSL_CTX. */
typedef struct sessl_policy {
    int64_t max_age; /* in seconds from the full handshake; 0: no limit */
    uint8_t prefix[SESSL_ID_PREFIX_MAX]; /* of session ids */
    size_t prefix_len;
} sessl_policy;

int sessl_ctx_set_policy(SSL_CTX *ctx, const sessl_policy *p, sessl_err *e);
const sessl_policy *sessl_ctx_policy(const SSL_CTX *ctx);
void sessl_policy_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);
int sessl_ctx_frame_tickets(SSL_CTX *ctx);
int sessl_conn_set_ticket_data(struct sessl_conn *c, const uint8_t *p, size_t n);
size_t sessl_conn_ticket_data(struct sessl_conn *c, const uint8_t **p);
void sessl_conn_drop_ticket_data(struct sessl_conn *c);
void sessl_conn_settle_veto(struct sessl_conn *c, SSL *ssl);
int64_t sessl_now(void);
void sessl_move_clock(int64_t by);
int sessl_session_frame(SSL_SESSION *s, sessl_frame *f);
int sessl_session_set_frame(SSL_SESSION *s, const sessl_frame *f);
int sessl_session_admit(SSL_CTX *ctx, SSL_SESSION *s);
int sessl_session_names_host(SSL *ssl, const SSL_SESSION *s);
int sessl_same_name(const char *a, const char *b);
int sessl_session_keep_host(SSL *ssl, SSL_SESSION *s);
int sessl_session_admit_to_cache(SSL_CTX *ctx, SSL_SESSION *s);
int64_t sessl_cert_left(const X509 *x);
int64_t sessl_chain_until(SSL *ssl);
int sessl_chain_shown(SSL *ssl, SSL_SESSION *s);
int sessl_chain_pack(SSL *ssl, SSL_SESSION *s, sessl_buf *b);
int sessl_chain_unpack(SSL_CTX *ctx, SSL_SESSION *s, const sessl_frame *f);

/* Takes numbers and bytes off the front; too few of them make it bad for good. */
typedef struct sessl_reader {
    const uint8_t *p, *end;
    int bad;
} sessl_reader;
const uint8_t *sessl_take(sessl_reader *r, size_t n);
uint64_t sessl_take_number(sessl_reader *r, int width);
const uint8_t *sessl_take_counted(sessl_reader *r, int width, size_t *n);

extern int sessl_policy_slot; /* registered by sessl_init */

#endif
