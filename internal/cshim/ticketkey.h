/* What ticketkey.c and ticket.c share, and cgo need not see. */
#ifndef SESSL_TICKETKEY_H
#define SESSL_TICKETKEY_H

#include <openssl/rand.h>
#include <stdatomic.h>

#include "cshim.h"

struct sessl_ticket_key {
    atomic_int refs;
    size_t half; /* the length of each secret: 16 or 32 */
    uint8_t name[SESSL_TICKET_NAME];
    uint8_t hmac[32], aes[32];
};

#endif
