/* One connection. */
#ifndef SESSL_CONN_H
#define SESSL_CONN_H

#include "buf.h"
#include "err.h"
#include "trust.h"

/* What a server keeps from libssl: hold.c. All of it is about the bytes in sessl_conn's in. */
typedef struct sessl_hold {
    int due;           /* a ClientHello is to come, and libssl gets nothing of one in parts */
    int again;         /* it is the second one: libssl has begun */
    int spoke;         /* the server has sent something */
    size_t pass;       /* bytes from the head on that libssl may have all the same */
    size_t seen;       /* bytes from the head on that are records looked at; no less than pass */
    size_t have;       /* bytes of the message in them */
    sessl_buf message; /* the first one, for who wants to see its binder */
    size_t where[4];   /* and where the first of those are, from the head on */
} sessl_hold;

/* What a server's tickets keep besides the session: appdata.c. */
typedef struct sessl_appdata {
    const SSL_SESSION *opened; /* what came out of the client's ticket; only to compare with */
    int64_t born;              /* the full handshake, if it was one */
    uint8_t *data, *brought;   /* for the tickets to come; what the resumed session had before that */
    size_t data_len, brought_len;
    int data_set, brought_set;
    int veto;    /* the session of this connection is not to be resumed */
    int settled; /* libssl has taken note of that, or has not */
} sessl_appdata;

/* What a connection has to do with external keys: psk.c. */
typedef struct sessl_psk_use {
    int ask;          /* Go may know more keys than the table */
    sessl_psk *found; /* the one that it has found; one reference */
    int skipped;      /* server: libssl has asked for identities that were not known */
    uint64_t made;    /* what the session that stands for the key is marked with */
    int external;     /* the handshake rests on a key, not on a session that began with one */
} sessl_psk_use;

#define SESSL_FOUND_MAX 4

/* Which new sessions Go wants. */
#define SESSL_KEEP_NONE 0
#define SESSL_KEEP_ALL 1
#define SESSL_KEEP_STAYING 2 /* those that are in no ticket */

/* The forms of session that a server has, and which of them it issues to a client that could have
 * either. */
#define SESSL_FORM_ONE 0     /* it has one */
#define SESSL_FORM_TICKETS 1 /* the session is in the ticket */
#define SESSL_FORM_IDS 2     /* the session is in a cache of Go's, and the client has its id */

struct sessl_conn {
    SSL *ssl;        /* NULL on a server until a ClientHello is whole, or Go needs it */
    SSL_CTX *ctx;    /* what it will be made from; one reference until then */
    uint64_t ctx_id; /* the number of the Ctx, for the sessions born here */
    int server;
    int go_makes;     /* Go has yet to make the SSL, or to give it certificates */
    int fatal;        /* libssl reported a fatal error */
    int alloc_failed; /* an input or output byte could not be kept */
    sessl_err err;    /* of the last step that failed */

    /* Input and output. */
    int fd;                               /* the socket during a step; -1 for none */
    int recv_errno, send_errno, recv_eof; /* what the socket said in the step */
    int more;                             /* the step has ended although there may be more */
    int writes;                           /* the step's output is the application's */
    int mute;                             /* our close_notify has been made */
    int declined;                         /* the peer wanted to renegotiate, and has sent no data since */
    size_t ahead;                         /* how much recv asks for */
    size_t received;                      /* how much it brought in the step */
    size_t room;                          /* how much the last read had room for */
    size_t answers;                       /* other output, since all had been sent */
    size_t lent;                          /* how much of that is in the last sink, and may come back */
    const uint8_t *feed;                  /* the step's fresh input, borrowed from Go */
    size_t feed_len;
    uint8_t *sink; /* where the step's output goes, borrowed from Go */
    size_t sink_len, sink_cap;
    sessl_buf in, out; /* input not consumed, output not sent */
    sessl_hold hold;   /* a server's */
    uint8_t first[5];  /* what libssl has got first: the head of a record, if the peer speaks TLS */
    int first_n;

    /* What this side asks for, or has to offer. */
    sessl_host host;           /* what a client asks for */
    int check_host;            /* and demands of the certificate */
    struct sessl_alpn *protos; /* of its own, which count for the Ctx's; or NULL */
    sessl_psk_use psk;
    int chosen;                /* Go has said which certificate to show: SESSL_CHOSEN_* */
    struct sessl_certs *certs; /* those that are reloaded, where there are several */
    int signs;                 /* Go has keys of these: SESSL_SIGNS_* */
    int place;                 /* Go has counted the thread below */
    sessl_signing *signing;    /* the thread that the next step is for; NULL for the caller's */

    /* Sessions. */
    int keep_new;        /* which new ones are wanted by Go: SESSL_KEEP_* */
    SSL_SESSION **fresh; /* each holds one reference, oldest first; Go takes all of them */
    int fresh_n, fresh_cap, fresh_weight;
    SSL_SESSION *offered;                /* one reference, until the handshake ends */
    int lookup;                          /* Go has a cache that may know what the client offers */
    int made_up;                         /* the id of TLS 1.2 in the ClientHello is of no server of ours */
    int unkept;                          /* it has not got all of this connection's new ones yet */
    SSL_SESSION *found[SESSL_FOUND_MAX]; /* of a server's cache, for libssl to ask for; a reference each */
    int found_n;
    int forms;      /* what a server issues: SESSL_FORM_* */
    int ask_form;   /* Go may know better when the ClientHello is there */
    int ask_key;    /* Go may get a ticket key that is not here */
    int stays;      /* what the ClientHello offers is, if anything, in Go's cache and not in a ticket */
    int offers;     /* the sessions that the ClientHello names, and more: SESSL_OFFERS_* */
    uint8_t *stamp; /* set once the peer has been verified */
    size_t stamp_len;
    int tickets;                    /* TLS 1.3 tickets processed so far */
    int ticket;                     /* what has become of the client's ticket: SESSL_TICKET_* */
    int bare_ticket;                /* the ticket that comes allows no early data */
    struct sessl_ticket_ring *keys; /* of tickets, until the end of the handshake; one reference */
    int withheld;                   /* tickets for which there is no key: SESSL_WITHHELD_* */
    sessl_appdata appdata;          /* what tickets keep, a server's */

    /* The handshake. */
    int ask;              /* what it waits for: SESSL_ASK_* */
    int greeted, retried; /* a client has a ServerHello, and it was a HelloRetryRequest */
    int ech;              /* how far it is with Encrypted Client Hello: SESSL_ECH_* */
    int breathes;         /* the step may go back to Go in between: see breath.c */
    int64_t stretch;      /* since when it has been in C; 0 if it does not */
    int refused, alert;   /* the answer was no, and how the peer is told */
    int last_word;        /* there is a no after the handshake */
    int only_tls12;       /* the server's highest version */
    int hello_use;        /* whether Go wants to see the ClientHello: SESSL_HELLO_* */
    int hello_state;      /* how far it is with it */
    int hello_changed;    /* the second hello was not for the same host */
    int by_name;          /* the name that the client sent has decided about something */
    sessl_buf hello;      /* a copy of it, until the handshake ends; a client's has the CertificateRequest */
    sessl_buf replay;     /* its bytes, until Go has said which Ctx answers */
    int early;            /* how far it is with early data: SESSL_EARLY_* */
    int guarded, claimed; /* Go has a guard against replays; and this is none */
    int auth;             /* how far the client is with what it was asked later: SESSL_AUTH_* */
    uint8_t *keylog;      /* lines for a key log; wiped when they go */
    size_t keylog_len;
    /* libssl's copy of the ClientHello, while its callback looks at it. */
    const uint8_t *message;
    size_t message_len;

    /* The peer's certificate. */
    int judged;                   /* the application is content with it, a server's */
    STACK_OF(X509) *sent, *built; /* what it is asked about; references of our own */
    X509 *bad_cert;               /* one reference; the certificate that was refused */
    EVP_PKEY *bad_key;            /* the same of a raw public key */
    int bad_depth;                /* and where in the chain it was */
    int big_key;                  /* how many bits it has, if that was the reason */
    int bad_staple;               /* a server's cannot be parsed */
    int compressed;               /* whose certificate was compressed: SESSL_COMPRESSED_* */
    int shown;                    /* a client has sent a Certificate, and Go has not looked since */
};

/* What a step came to. */
#define SESSL_OK 1
#define SESSL_WANT_READ 2
#define SESSL_EOF 3 /* close_notify received */
#define SESSL_FAILED 4
#define SESSL_IO_EOF 5    /* the socket ended without close_notify */
#define SESSL_IO_ERROR 6  /* recv failed with recv_errno */
#define SESSL_SUSPENDED 7 /* until Go has answered what ask says */
#define SESSL_EARLY_END 8 /* there is no more early data */
#define SESSL_UNMADE 9    /* Go must make the SSL, and take the step again without input */

/* What a handshake waits for. */
#define SESSL_ASK_HELLO 1
#define SESSL_ASK_CERTIFICATE 2
#define SESSL_ASK_VERIFY 3
#define SESSL_ASK_THREAD 4    /* on which it can wait for a signature */
#define SESSL_ASK_SIGNATURE 5 /* see signer.h */

/* Which keys of this side Go has. */
#define SESSL_SIGNS_SOME 1
#define SESSL_SIGNS_RSA 2 /* one that a suite could want to decrypt with */

typedef struct sessl_step {
    int status;
    int late;   /* a failure that came after the n bytes */
    int midway; /* a handshake message has come in part: nothing can be written */
    int recv_errno;
    int send_errno;     /* output could not be sent, whatever the status */
    int more;           /* with SESSL_WANT_READ: the socket may have input nevertheless */
    int fresh;          /* new sessions waiting in the queue */
    int removed;        /* and sessions that were removed, in the Ctx's */
    int values;         /* sessions with values of Go's have been copied or freed, by whatever thread */
    int ask;            /* with SESSL_SUSPENDED */
    int answered;       /* the client's certificate has come, and nothing after it is read */
    int dry;            /* outside of a handshake: only more input gives libssl anything to do */
    size_t n;           /* application bytes moved */
    size_t out_len;     /* output bytes in the sink */
    size_t out_waiting; /* output bytes that found no place there */
    size_t answers;     /* how many bytes libssl has added to those that wait, besides the application's */
} sessl_step;

/* ---- breath.c ---- */

void sesslBreathe(void); /* Go's */
void sessl_set_breath(void (*f)(void));

/* ---- conn.c: its steps ---- */

sessl_conn *sessl_conn_new(SSL_CTX *ctx, int server, uint64_t ctx_id, const char *name, size_t n,
                           const uint8_t *ip, size_t ip_len, int check, sessl_err *e);
int sessl_conn_make(sessl_conn *c, sessl_err *e);
void sessl_conn_free(sessl_conn *c);
void sessl_conn_handshake(sessl_conn *c, int fd, const uint8_t *in, size_t in_len, sessl_step *st);
void sessl_conn_read(sessl_conn *c, int fd, const uint8_t *in, size_t in_len, uint8_t *p, size_t n,
                     sessl_step *st);
void sessl_conn_peek(sessl_conn *c, int fd, const uint8_t *in, size_t in_len, sessl_step *st);
int sessl_conn_midway(const sessl_conn *c);
void sessl_conn_write(sessl_conn *c, int fd, const uint8_t *p, size_t n, uint8_t *sink, size_t cap,
                      sessl_step *st);
void sessl_conn_shutdown(sessl_conn *c, int fd, sessl_step *st);
void sessl_conn_output(sessl_conn *c, int fd, uint8_t *sink, size_t cap, sessl_step *st);

/* ---- bio.c: its input and output ---- */

int sessl_conn_put_back(sessl_conn *c, const uint8_t *p, size_t n);
int sessl_conn_is_foreign(const sessl_conn *c);

/* ---- conn_session.c: sessions that enter and leave it ---- */

#define SESSL_FRESH_MAX 256 /* by weight; a server of ours sends 255 */

int sessl_session_weight(const SSL_SESSION *s);
SSL_SESSION *sessl_conn_retain_session(sessl_conn *c);
int sessl_conn_set_session(sessl_conn *c, SSL_SESSION *s, int dup, sessl_err *e);
void sessl_conn_withhold(sessl_conn *c);
int sessl_conn_set_stamp(sessl_conn *c, const uint8_t *p, size_t n);
int sessl_conn_verify_again(sessl_conn *c, SSL_SESSION *s);

/* ---- offer.c: whether a session may be offered ---- */

#define SESSL_FIT_OK 0
#define SESSL_FIT_NOT 1   /* not in a ClientHello of this connection */
#define SESSL_FIT_NEVER 2 /* in none */
#define SESSL_FIT_OLD 3   /* not any more */

/* What decides about offering a session, and is borrowed from it. */
typedef struct sessl_weighed {
    int fits; /* SESSL_FIT_* */
    int version;
    uint32_t max_early;
    int64_t now;   /* as libssl sees it */
    int peer_ok;   /* there is a leaf, which has not expired */
    int raw;       /* SESSL_RAW_*: what there is instead of a leaf */
    int anonymous; /* its suite has neither */
    const uint8_t *stamp, *chain;
    size_t stamp_len, chain_len;
} sessl_weighed;

void sessl_conn_weigh(sessl_conn *c, SSL_SESSION *s, sessl_weighed *w);

/* ---- hello.c: the questions that a handshake waits for ---- */

#define SESSL_HELLO_UNSEEN 0
#define SESSL_HELLO_COPY 1 /* copied for later questions */
#define SESSL_HELLO_ASK 2  /* Go says which Ctx answers */

void sessl_conn_hello_done(sessl_conn *c);
int sessl_conn_restart(sessl_conn *c, SSL_CTX *ctx, uint64_t ctx_id, sessl_err *e);
void sessl_conn_refuse(sessl_conn *c, int alert);

/* ---- early.c: what is sent before the handshake is complete ---- */

/* How far a connection is with it. */
#define SESSL_EARLY_NONE 0  /* none is asked for, or the handshake is complete */
#define SESSL_EARLY_BEGUN 1 /* Go reads, or has written, early data */
#define SESSL_EARLY_OPEN 2  /* a server has accepted it, and may write too */

int sessl_ctx_set_early(SSL_CTX *ctx, uint32_t max, int guarded, sessl_err *e);
void sessl_conn_read_early(sessl_conn *c, int fd, const uint8_t *in, size_t in_len, uint8_t *p, size_t n,
                           sessl_step *st);
void sessl_conn_write_early(sessl_conn *c, const uint8_t *p, size_t n, sessl_step *st);
int sessl_conn_early_status(sessl_conn *c);
int sessl_conn_set_max_early(sessl_conn *c, uint32_t max, sessl_err *e);
int sessl_conn_set_skip_early(sessl_conn *c, uint32_t n, sessl_err *e);
int sessl_conn_export_early(sessl_conn *c, uint8_t *out, size_t n, const char *label, size_t label_len,
                            const uint8_t *context, size_t context_len, sessl_err *e);

/* ---- postauth.c: authentication after the handshake ---- */

/* How far the client is with what it was asked after the handshake. */
#define SESSL_AUTH_NONE 0
#define SESSL_AUTH_ASKED 1
#define SESSL_AUTH_ANSWERED 2 /* and Go has not verified it yet */

/* What asking came to. */
#define SESSL_REQUEST_FAILED 0  /* the connection has ended */
#define SESSL_REQUEST_SENT 1    /* the request waits for output */
#define SESSL_REQUEST_REFUSED 2 /* by libssl, and nothing has happened */

void sessl_ctx_offer_auth(SSL_CTX *ctx);
void sessl_ctx_auth_later(SSL_CTX *ctx);
int sessl_conn_ask_auth(sessl_conn *c, int hold, sessl_err *e);
void sessl_conn_auth_done(sessl_conn *c);

/* ---- alpn.c: application protocols ---- */

int sessl_ctx_set_alpn(SSL_CTX *ctx, int server, const uint8_t *wire, size_t n, sessl_err *e);
int sessl_conn_set_alpn(sessl_conn *c, const uint8_t *wire, size_t n, sessl_err *e);

/* ---- keylog.c: lines for a key log ---- */

void sessl_conn_take_keylog(sessl_conn *c, uint8_t *out);
void sessl_ctx_log_keys(SSL_CTX *ctx);

/* ---- conn_info.c: what it has settled ---- */

typedef struct sessl_conn_info {
    int version, reused;
    int external_psk, psk_skipped;
    const char *psk_identity, *psk_hint; /* borrowed from the session */
    int by_ticket;                       /* if reused */
    int offered;                         /* a session that this version could resume was */
    int unknown_id;                      /* a server was shown the id of none */
    uint16_t cipher;
    int cipher_bits;                               /* 0 without encryption */
    int anonymous;                                 /* its suite is */
    const char *cipher_name, *group, *server_name; /* borrowed from the SSL, or static */
    const char *scheme;                            /* static, or the SSL_CTX's */
    int retried;                                   /* there was a HelloRetryRequest */
    const uint8_t *alpn;                           /* borrowed from the SSL */
    unsigned alpn_len;
    uint64_t sent_cert;    /* what this side has sent */
    const uint8_t *staple; /* borrowed from the SSL */
    size_t staple_len;
    int compressed;       /* SESSL_COMPRESSED_* */
    int early;            /* what became of early data, in Go's numbers */
    SSL_SESSION *session; /* borrowed from the SSL, as long as its mutex is held */
    int has_peer;         /* there is a certificate of the peer in it, or a raw public key */
    int raw;              /* SESSL_RAW_*: which */
    const uint8_t *chain; /* the note of the peer's chain, borrowed from it */
    size_t chain_len;
    const uint8_t *ticket_data; /* what a resumed one has brought to a server, borrowed */
    size_t ticket_data_len;
} sessl_conn_info;

void sessl_conn_get_info(sessl_conn *c, sessl_conn_info *i);
const char *sessl_conn_peer_scheme(const sessl_conn *c);
int sessl_conn_peer_cert(sessl_conn *c, int i, uint8_t **out);
int sessl_conn_verified_cert(sessl_conn *c, int i, uint8_t **out);
int sessl_conn_export(sessl_conn *c, uint8_t *out, size_t n, const char *label, size_t label_len,
                      const uint8_t *context, size_t context_len, int use_context, sessl_err *e);
int sessl_conn_key_update(sessl_conn *c, int request, sessl_err *e);
size_t sessl_conn_pending(sessl_conn *c);
int sessl_conn_issue_tickets(sessl_conn *c, int n, sessl_err *e);

#endif
