/* What C knows of the objects that Go has by name only, lives and references, and of those of its own. */
#ifndef SESSL_STRUCTS_H
#define SESSL_STRUCTS_H

#include <pthread.h>
#include <stdatomic.h>

#include <openssl/x509v3.h>

#include "cert.h"
#include "psk.h"
#include "ticket.h"

/* ---- buf.c: bytes ---- */

/* Takes numbers and bytes off the front; too few of them make it bad for good. */
typedef struct sessl_reader {
    const uint8_t *p, *end;
    int bad;
} sessl_reader;

/* ---- identity.c: a certificate with its chain and key ---- */

struct sessl_cert {
    X509 *leaf;            /* each of these is one reference */
    STACK_OF(X509) *chain; /* without the leaf; empty rather than NULL */
    EVP_PKEY *key;
    GENERAL_NAMES *names; /* in the leaf; NULL for none */
    int more;             /* how many references there are besides the first; atomic */
};

/* ---- alpn.c ---- */

/* A list of protocols in wire form. */
typedef struct sessl_alpn {
    size_t n;
    uint8_t wire[];
} sessl_alpn;

/* ---- chain.c: the certificates that a ticket keeps ---- */

#define SESSL_CHAIN_MAX 32 /* certificates, as in Go */

/* For the number of one that was sent. */
#define SESSL_CERT_ROOT 0xfe  /* the root that was verified */
#define SESSL_CERT_OTHER 0xff /* none that was verified */

/* ---- pskkey.c: external keys ---- */

/* One key. It is immutable, and held by tables, connections and the application's handles,
 * each with one reference; the last one wipes it. */
struct sessl_psk {
    atomic_int refs;
    unsigned suite; /* one of TLS 1.3 with the key's hash */
    size_t id_len, key_len;
    uint8_t fingerprint[SESSL_PSK_FINGERPRINT];
    uint8_t bytes[]; /* the key, then the identity */
};

/* In the ex_data of an SSL_CTX; immutable. */
typedef struct sessl_psk_table {
    int v12; /* those that fit are used in TLS 1.2 too */
    size_t n;
    sessl_psk *keys[]; /* one reference each, sorted by identity */
} sessl_psk_table;

/* ---- ticketkey.c: one ticket key ---- */

struct sessl_ticket_key {
    atomic_int refs;
    size_t half; /* the length of each secret: 16 or 32 */
    uint8_t name[SESSL_TICKET_NAME];
    uint8_t hmac[32], aes[32];
};

/* ---- ticketkeys.c: those in force ---- */

/* The keys in force, immutable: a handshake that has taken a reference works on with them
 * whatever replaces them meanwhile. */
typedef struct sessl_ticket_ring {
    atomic_int refs;
    int seals; /* the first of the keys encrypts; else none does */
    size_t n;
    sessl_ticket_key *keys[]; /* one reference each */
} sessl_ticket_ring;

/* Shared by the SSL_CTXs that have been given it and by Go, each with one reference. */
struct sessl_ticket_keys {
    atomic_int refs;
    pthread_mutex_t lock;   /* held for no longer than it takes to take a reference on now */
    sessl_ticket_ring *now; /* one reference */
    atomic_uint_fast64_t issued, resumed, renewed, declined, unknown, withheld;
};

/* ---- frame.c: what a ticket keeps besides the session ---- */

/* A frame, read: pointers into its bytes. */
typedef struct sessl_frame {
    int64_t born;         /* the full handshake, in Unix seconds; 0: not known */
    int64_t deadline;     /* not to be resumed from then on; 0: none */
    const uint8_t *chain; /* NULL: none is kept */
    size_t chain_len;
    const uint8_t *data; /* the application's */
    size_t data_len;
} sessl_frame;

/* A client has to send the ticket in the extensions of a ClientHello, which have 64 KiB for
 * all of them: a frame is never longer than this. */
#define SESSL_FRAME_MAX 32768
#define SESSL_FRAME_HEAD (4 + 8 + 8 + 1 + 3)
#define SESSL_TIME_MAX ((int64_t)1 << 40)

#endif
