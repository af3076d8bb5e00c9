/* The C side of sessl. Every function that can fail clears the thread's error
 * queue first and leaves it empty: what OpenSSL queued is moved into a sessl_err
 * before the call returns, because a goroutine may be on another thread by the
 * time of its next call. Nothing here calls Go. */
#ifndef SESSL_CSHIM_H
#define SESSL_CSHIM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "compat.h"

/* ---- err.c: errors ---- */

#define SESSL_ERR_MAX 5
#define SESSL_ERR_DATA 96

typedef struct sessl_err {
    int n;                                   /* entries below, oldest first */
    int ssl_error;                           /* SSL_get_error, or 0 */
    int no_memory;                           /* an allocation failed, queued or not */
    long verify;                             /* X509_V_* when a peer was refused */
    unsigned long code[SESSL_ERR_MAX];
    char data[SESSL_ERR_MAX][SESSL_ERR_DATA];
} sessl_err;

void sessl_err_clear(void);
void sessl_err_begin(sessl_err *e);
void sessl_err_take(sessl_err *e);
int sessl_err_reason(unsigned long code);
int sessl_err_is(unsigned long code, int lib, int reason);
const char *sessl_err_fallback(unsigned long code);
unsigned long sessl_err_peek(void);
void sessl_err_leave_one_behind(void);

/* ---- record.c: what we keep about each SSL_SESSION, in its ex_data ---- */

void sessl_init(void);
void sessl_record_init(void);
void sessl_session_counts(uint64_t *created, uint64_t *freed);
void sessl_set_current_ctx(uint64_t ctx);
uint64_t sessl_session_owner(const SSL_SESSION *s);
int sessl_session_claim(SSL_SESSION *s, uint64_t ctx);
void sessl_session_disclaim(SSL_SESSION *s);
void sessl_session_share(SSL_SESSION *s);
int sessl_session_shared(const SSL_SESSION *s);
int sessl_session_recorded(const SSL_SESSION *s);

/* Notes about a session: who was verified, by what; the peer's certificates; and the
 * handshake in which a client has made it of an external key. */
#define SESSL_STAMP 1
#define SESSL_CHAIN 2
#define SESSL_MADE 3
#define SESSL_NOTES 4
int sessl_session_set_note(SSL_SESSION *s, int kind, const uint8_t *p, size_t n);
size_t sessl_session_note(const SSL_SESSION *s, int kind, const uint8_t **p);

/* ---- values.c: the numbers of the Go values bound to sessions ---- */

typedef struct sessl_value_event {
    uint64_t from; /* the number that was copied; 0 when `to` has been freed */
    uint64_t to;
} sessl_value_event;

struct sessl_value;
struct sessl_value *sessl_value_new(void);
struct sessl_value *sessl_value_dup(const struct sessl_value *v);
uint64_t sessl_value_number(const struct sessl_value *v);
void sessl_value_release(struct sessl_value *v);
int sessl_values_pending(void);
int sessl_values_take(sessl_value_event *ev);
uint64_t sessl_session_value(SSL_SESSION *s, int create);

/* ---- session.c, session_fields.c: SSL_SESSION ---- */

SSL_SESSION *sessl_session_new(sessl_err *e);
SSL_SESSION *sessl_session_dup(const SSL_SESSION *s, uint64_t ctx, sessl_err *e);
SSL_SESSION *sessl_session_d2i(const uint8_t *der, size_t n, size_t *used, sessl_err *e);
SSL_SESSION *sessl_session_read_pem(const uint8_t *pem, size_t n, int *trailing, sessl_err *e);
int sessl_session_i2d(const SSL_SESSION *s, uint8_t **out, sessl_err *e);
int sessl_session_write_pem(SSL_SESSION *s, uint8_t **out, sessl_err *e);
int sessl_session_print(const SSL_SESSION *s, int secrets, uint8_t **out, sessl_err *e);
int sessl_session_keylog(const SSL_SESSION *s, uint8_t **out, sessl_err *e);
void sessl_clear_free(void *p, size_t n);
void sessl_drop_session(SSL_SESSION *s);

int64_t sessl_session_get_time(const SSL_SESSION *s);
void sessl_session_set_time(SSL_SESSION *s, int64_t t);
const SSL_CIPHER *sessl_cipher_by_id(SSL_CTX *ctx, uint16_t id, sessl_err *e);
int sessl_session_set_cipher(SSL_SESSION *s, uint16_t id, sessl_err *e);
int sessl_session_set1_id(SSL_SESSION *s, const uint8_t *p, unsigned n, sessl_err *e);
int sessl_session_set1_id_context(SSL_SESSION *s, const uint8_t *p, unsigned n, sessl_err *e);
int sessl_session_set1_hostname(SSL_SESSION *s, const char *name, sessl_err *e);
int sessl_session_set1_alpn(SSL_SESSION *s, const uint8_t *p, size_t n, sessl_err *e);
int sessl_session_set1_master_key(SSL_SESSION *s, const uint8_t *p, size_t n, sessl_err *e);
int sessl_session_set1_appdata(SSL_SESSION *s, const uint8_t *p, size_t n, sessl_err *e);
const uint8_t *sessl_session_get0_appdata(SSL_SESSION *s, size_t *n);
int sessl_session_peer_der(SSL_SESSION *s, uint8_t **out, sessl_err *e);
int sessl_session_rpk_der(SSL_SESSION *s, uint8_t **out, sessl_err *e);

/* ---- ctx.c, cert.c: SSL_CTX ---- */

/* Why there is no SSL_CTX. */
#define SESSL_CTX_FAILED 0
#define SESSL_CTX_NEEDS_3_0 1
#define SESSL_CTX_NO_FIPS 2  /* its provider cannot be loaded */
#define SESSL_CTX_NO_MATCH 3 /* nothing has the properties */
#define SESSL_CTX_BAD_QUERY 4

SSL_CTX *sessl_ctx_new(int server, int want_fips, const char *query, int *why, sessl_err *e);
SSL_CTX *sessl_ctx_make(int server, int want_fips, const char *query, int *why);
void sessl_ctx_free(SSL_CTX *ctx);
int sessl_ctx_set_versions(SSL_CTX *ctx, int min, int max, int enable, sessl_err *e);
int sessl_ctx_set_ciphers(SSL_CTX *ctx, const uint16_t *ids, size_t n, uint16_t *bad, sessl_err *e);
int sessl_ctx_add_psk_suites(SSL_CTX *ctx, int server, int only, sessl_err *e);
int sessl_ctx_set_sid_ctx(SSL_CTX *ctx, const uint8_t *p, unsigned n, sessl_err *e);
X509 *sessl_parse_cert(const uint8_t **p, size_t n, sessl_err *e);

void sessl_ctx_flush(SSL_CTX *ctx, int64_t now);
void sessl_ctx_set_tickets(SSL_CTX *ctx, int yes);
int sessl_ctx_set_num_tickets(SSL_CTX *ctx, size_t n, sessl_err *e);
int sessl_ctx_add_session(SSL_CTX *ctx, SSL_SESSION *s, sessl_err *e);
int sessl_ctx_remove_session(SSL_CTX *ctx, SSL_SESSION *s);

typedef struct sessl_ctx_stats {
    long number, connect, connect_good, connect_renegotiate;
    long accept, accept_good, accept_renegotiate;
    long hits, cb_hits, misses, timeouts, cache_full;
} sessl_ctx_stats;
void sessl_ctx_get_stats(SSL_CTX *ctx, sessl_ctx_stats *st);

/* ---- trust.c: what a Ctx demands of its peers ---- */

#define SESSL_PURPOSE_SERVER 1
#define SESSL_PURPOSE_CLIENT 2
#define SESSL_PURPOSE_ANY 3
int sessl_ctx_add_crl(SSL_CTX *ctx, const uint8_t *der, size_t n, int64_t *until, sessl_err *e);
int sessl_ctx_set_demands(SSL_CTX *ctx, int depth, int purpose, unsigned long flags, sessl_err *e);
int sessl_ctx_set_trust_until(SSL_CTX *ctx, int64_t until, sessl_err *e);
int64_t sessl_ctx_trust_until(const SSL_CTX *ctx);
void sessl_trust_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);

/* ---- suites.c: what a Ctx's settings come to ---- */

#define SESSL_KEY_RSA 1
#define SESSL_KEY_RSA_PSS 2
#define SESSL_KEY_EC 4
#define SESSL_KEY_ED25519 8
#define SESSL_KEY_ED448 16
#define SESSL_KEY_OTHER 32

/* Why a suite cannot be negotiated. */
#define SESSL_SUITE_OK 0
#define SESSL_SUITE_LEVEL 1    /* the security level disables it */
#define SESSL_SUITE_KX 2       /* what its key exchange needs is never set */
#define SESSL_SUITE_VERSION 3  /* no version that it is for is possible */
#define SESSL_SUITE_KEY 4      /* no certificate has the key for it */
#define SESSL_SUITE_MISSING 5  /* the library knows its name and no more */

typedef struct sessl_suite {
    uint16_t id;
    int verdict;
    const char *name;
} sessl_suite;

typedef struct sessl_params {
    int level;     /* SSL_CTX_get_security_level */
    int forbidden; /* highest version that the level forbids; 0 for none */
    int keys;      /* SESSL_KEY_* of the certificates */
    int usable;    /* how many suites can be negotiated */
    int served;    /* for which versions: a bit each, from TLS 1.0 on */
} sessl_params;

int sessl_ctx_set_groups(SSL_CTX *ctx, const char *list, sessl_err *e);
int sessl_ctx_set_sigalgs(SSL_CTX *ctx, const char *list, sessl_err *e);

#include "psk.h"

/* ---- conn.c, conn_session.c, bio.c: one connection ---- */

typedef struct sessl_buf {
    uint8_t *p;
    size_t head, tail, cap;
} sessl_buf;

#include "appdata.h"
#include "hold.h"
#include "names.h"

#define SESSL_FOUND_MAX 4

typedef struct sessl_conn {
    SSL *ssl;
    uint64_t ctx;          /* number of the Ctx, for the sessions born here */
    int server;
    sessl_host host;       /* what a client asks for */
    int check_host;        /* and demands of the certificate */
    int keep_new;          /* new sessions are wanted by Go */
    int fatal;             /* libssl reported a fatal error */
    int alloc_failed;      /* an input or output byte could not be kept */
    int tickets;           /* TLS 1.3 tickets processed so far */
    int fd;                /* the socket during a step; -1 for none */
    int recv_errno, send_errno, recv_eof; /* what the socket said in the step */
    size_t ahead;          /* how much recv asks for */
    size_t received;       /* how much it brought in the step */
    int writes, mute;      /* the step's output is the application's; our close_notify has been made */
    size_t answers;        /* other output, since all had been sent */
    size_t lent;           /* how much of that is in the last sink, and may come back */
    int more;              /* the step has ended although there may be more */
    size_t room;           /* how much the last read had room for */
    const uint8_t *feed;   /* the step's fresh input, borrowed from Go */
    size_t feed_len;
    uint8_t *sink;         /* where the step's output goes, borrowed from Go */
    size_t sink_len, sink_cap;
    sessl_buf in, out;     /* input not consumed, output not sent */
    sessl_hold hold;       /* a server's */
    struct sessl_alpn *protos; /* of its own, which count for the Ctx's; or NULL */
    SSL_SESSION **fresh;   /* each holds one reference, oldest first */
    int fresh_n, fresh_cap, fresh_weight;
    SSL_SESSION *offered;  /* one reference, until the handshake ends */
    SSL_SESSION *found[SESSL_FOUND_MAX]; /* of a server's cache, for libssl to ask for; a reference each */
    int found_n;
    int lookup;            /* Go has a cache that may know what the client offers */
    int only_tls12;        /* the server's highest version */
    int offers;            /* the sessions that the ClientHello names: SESSL_OFFERS_* */
    sessl_psk_use psk;
    uint8_t *stamp;        /* set once the peer has been verified */
    size_t stamp_len;
    int ask;               /* what the handshake waits for: SESSL_ASK_* */
    int refused, alert;    /* the answer was no, and how the peer is told */
    int last_word;         /* there is a no after the handshake */
    int hello_use;         /* whether Go wants to see the ClientHello: SESSL_HELLO_* */
    int hello_state;       /* how far it is with it */
    int hello_changed;     /* the second hello was not for the same host */
    int chosen;            /* Go has said which certificate to show: SESSL_CHOSEN_* */
    struct sessl_certs *certs; /* those that are reloaded, where there are several */
    int by_name;           /* the name that the client sent has decided about something */
    sessl_buf hello;       /* a copy of it, until the handshake ends; a client's has the CertificateRequest */
    int judged;            /* the application is content with the server's certificate */
    STACK_OF(X509) *sent, *built; /* what it is asked about; references of our own */
    sessl_buf replay;      /* its bytes, until Go has chosen the Ctx that answers */
    X509 *bad_cert;        /* one reference; the certificate that was refused */
    int bad_depth;         /* and where in the chain it was */
    int bad_staple;        /* a server's cannot be parsed */
    int big_key;           /* how many bits it has, if that was the reason */
    int ticket;            /* what has become of the client's ticket: SESSL_TICKET_* */
    sessl_appdata appdata; /* what tickets keep, a server's */
    int early, bare_ticket; /* how far it is with early data: SESSL_EARLY_*; the ticket that comes allows none */
    int guarded, claimed;  /* Go has a guard against replays; and this is none */
    int auth;              /* how far the client is with what it was asked later: SESSL_AUTH_* */
    uint8_t *keylog;       /* lines for a key log; wiped when they go */
    size_t keylog_len;
    sessl_err err;         /* of the last step that failed */
} sessl_conn;

#define SESSL_HELLO_UNSEEN 0
#define SESSL_HELLO_COPY 1 /* copied for later questions */
#define SESSL_HELLO_ASK 2  /* Go chooses the Ctx */

#define SESSL_HELLO_FIRST 0
#define SESSL_HELLO_ANSWERED 1
#define SESSL_HELLO_REFUSED 2
#define SESSL_HELLO_SEEN 3

#define SESSL_ASK_HELLO 1
#define SESSL_ASK_CERTIFICATE 2
#define SESSL_ASK_VERIFY 3

#define SESSL_OK 1
#define SESSL_WANT_READ 2
#define SESSL_EOF 3        /* close_notify received */
#define SESSL_FAILED 4
#define SESSL_IO_EOF 5     /* the socket ended without close_notify */
#define SESSL_IO_ERROR 6   /* recv failed with recv_errno */
#define SESSL_SUSPENDED 7  /* until Go has answered what ask says */

/* What a step came to. */
typedef struct sessl_step {
    int status;
    int late;              /* a failure that came after the n bytes */
    int midway;            /* a handshake message has come in part: nothing can be written */
    int recv_errno;
    int send_errno;        /* output could not be sent, whatever the status */
    int more;              /* with SESSL_WANT_READ: the socket may have input nevertheless */
    int fresh;             /* new sessions waiting in the queue */
    int removed;           /* and sessions that were removed, in the Ctx's */
    int values;            /* sessions with values of Go's have been copied or freed, by whatever thread */
    int ask, answered;     /* with SESSL_SUSPENDED; the client's certificate has come, and nothing after it is read */
    size_t n;              /* application bytes moved */
    size_t out_len;        /* output bytes in the sink */
    size_t out_waiting;    /* output bytes that found no place there */
    size_t answers;        /* how many bytes libssl has added to those that wait, besides the application's */
} sessl_step;

const BIO_METHOD *sessl_bio_method(void);
int sessl_buf_number(sessl_buf *b, size_t v, int n);
int sessl_buf_counted(sessl_buf *b, const uint8_t *p, size_t n, int width);
int sessl_buf_append(sessl_buf *b, const uint8_t *p, size_t n);
void sessl_buf_free(sessl_buf *b);
int sessl_buf_reserve(sessl_buf *b, size_t n);
void sessl_conn_begin(sessl_conn *c, int fd, const uint8_t *in, size_t in_len, uint8_t *sink, size_t sink_cap);
void sessl_conn_end(sessl_conn *c, sessl_step *st);

void sessl_step_begin(sessl_conn *c, int fd, const uint8_t *in, size_t in_len, uint8_t *sink, size_t cap, sessl_step *st);
int sessl_step_status(sessl_conn *c, int ok);
sessl_conn *sessl_conn_new(SSL_CTX *ctx, int server, uint64_t number, sessl_err *e);
void sessl_conn_free(sessl_conn *c);
int sessl_conn_attach(sessl_conn *c);
void sessl_conn_handshake(sessl_conn *c, int fd, const uint8_t *in, size_t in_len, sessl_step *st);
void sessl_conn_read(sessl_conn *c, int fd, const uint8_t *in, size_t in_len, uint8_t *p, size_t n, sessl_step *st);
void sessl_conn_peek(sessl_conn *c, int fd, const uint8_t *in, size_t in_len, sessl_step *st);
void sessl_conn_write(sessl_conn *c, int fd, const uint8_t *p, size_t n, uint8_t *sink, size_t cap, sessl_step *st);
void sessl_conn_shutdown(sessl_conn *c, sessl_step *st);
int sessl_conn_midway(const sessl_conn *c);
void sessl_conn_output(sessl_conn *c, int fd, uint8_t *sink, size_t cap, sessl_step *st);
int sessl_conn_put_back(sessl_conn *c, const uint8_t *p, size_t n);

SSL_SESSION *sessl_conn_next_session(sessl_conn *c);
SSL_SESSION *sessl_conn_retain_session(sessl_conn *c);
int sessl_conn_set_session(sessl_conn *c, SSL_SESSION *s, int dup, sessl_err *e);
void sessl_conn_withhold(sessl_conn *c);
int sessl_conn_set_stamp(sessl_conn *c, const uint8_t *p, size_t n);
int sessl_conn_verify_again(sessl_conn *c, SSL_SESSION *s);
int sessl_new_session_cb(SSL *ssl, SSL_SESSION *s);
void sessl_cap_life(SSL_SESSION *s, int64_t left);
void sessl_cap_timeout(SSL *ssl, SSL_SESSION *s);
void sessl_conn_renewed(sessl_conn *c);

/* ---- hello.c: the questions that a handshake waits for ---- */

int sessl_hello_cb(SSL *ssl, int *al, void *arg);
void sessl_conn_hello_sent(sessl_conn *c);
void sessl_conn_hello_done(sessl_conn *c);
int sessl_conn_restart(sessl_conn *c, SSL_CTX *ctx, uint64_t number, sessl_err *e);
void sessl_conn_refuse(sessl_conn *c, int alert);

void sessl_ctx_log_keys(SSL_CTX *ctx);
void sessl_keylog_cb(const SSL *ssl, const char *line);
void sessl_conn_take_keylog(sessl_conn *c, uint8_t *out);

typedef struct sessl_conn_info {
    int version, reused;
    int external_psk, psk_skipped;
    const char *psk_identity, *psk_hint;           /* borrowed from the session */
    int by_ticket;                                 /* if reused in TLS 1.2 */
    int offered;                                   /* a session that this version could resume was */
    uint16_t cipher;
    const char *cipher_name, *group, *server_name; /* borrowed from the SSL, or static */
    const uint8_t *alpn;                           /* borrowed from the SSL */
    unsigned alpn_len;
    uint64_t sent_cert;    /* what this side has sent */
    const uint8_t *staple; /* borrowed from the SSL */
    size_t staple_len;
} sessl_conn_info;
void sessl_conn_get_info(sessl_conn *c, sessl_conn_info *i);

int sessl_cert_der(STACK_OF(X509) *chain, int i, uint8_t **out);
int sessl_conn_peer_cert(sessl_conn *c, int i, uint8_t **out);
int sessl_conn_verified_cert(sessl_conn *c, int i, uint8_t **out);
int sessl_conn_export(sessl_conn *c, uint8_t *out, size_t n, const char *label, size_t label_len,
                      const uint8_t *context, size_t context_len, int use_context, sessl_err *e);
int sessl_conn_key_update(sessl_conn *c, int request, sessl_err *e);
int sessl_conn_issue_tickets(sessl_conn *c, int n, sessl_err *e);
size_t sessl_conn_pending(sessl_conn *c);

/* ex_data slots, registered by sessl_init. */
extern int sessl_session_slot;
extern int sessl_ssl_slot;
extern int sessl_ctx_slot;
extern int sessl_trust_slot;
extern int sessl_leaf_slot;

#include "identity.h"
#include "judge.h"
#include "postauth.h"
#include "ticket.h"
#include "cache.h"
#include "early.h"
#include "binder.h"
#include "system.h"
#include "trust.h"
#include "alpn.h"
#include "offer.h"

#endif
