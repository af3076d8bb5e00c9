#include "private.h"

/* A session that was in a cache has its client's certificates in a note, and no frame of a ticket. When
 * it is resumed, and the next session is to be in a ticket, the one is made of the other. */

/* A note, read: pointers into its bytes. */
typedef struct chains {
    struct der {
        const uint8_t *p;
        size_t n;
    } sent[SESSL_CHAIN_MAX], verified[SESSL_CHAIN_MAX];
    int sent_n, verified_n;
} chains;

static int read_note(const uint8_t *p, size_t n, chains *c)
{
    sessl_reader r = {p, p + n, 0};

    while (!r.bad && r.p < r.end) {
        int verified = sessl_take_number(&r, 1) == 1;
        int *count = verified ? &c->verified_n : &c->sent_n;
        struct der *d = verified ? c->verified : c->sent;

        if (*count == SESSL_CHAIN_MAX)
            return 0;
        d += (*count)++;
        d->p = sessl_take_counted(&r, 4, &d->n);
    }
    return !r.bad;
}

static int number_of(const struct der *x, const chains *c)
{
    int i, last = c->verified_n - 1;

    for (i = 1; i <= last; i++)
        if (x->n == c->verified[i].n && memcmp(x->p, c->verified[i].p, x->n) == 0)
            return i == last ? SESSL_CERT_ROOT : i - 1;
    return SESSL_CERT_OTHER;
}

static int put_root(sessl_buf *b, const struct der *x)
{
    uint8_t md[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    return EVP_Digest(x->p, x->n, md, &n, EVP_sha256(), NULL) && sessl_buf_append(b, md, n);
}

static int put_sent(sessl_buf *b, const chains *c)
{
    int i, count = c->sent_n > 0 ? c->sent_n - 1 : 0; /* without the leaf */

    if (!sessl_buf_number(b, (size_t)count, 1))
        return 0;
    for (i = 1; i <= count; i++) {
        const struct der *x = &c->sent[i];
        int number = number_of(x, c);

        if (!sessl_buf_number(b, (size_t)number, 1)
            || (number == SESSL_CERT_OTHER && !sessl_buf_counted(b, x->p, x->n, 3)))
            return 0;
    }
    return 1;
}

/* Appends what the frame of chain.c has, from the note of s. 0: there is none, or no memory. */
int sessl_chain_pack_note(const SSL_SESSION *s, sessl_buf *b)
{
    const uint8_t *p;
    size_t n = sessl_session_note(s, SESSL_CHAIN, &p); /* borrowed */
    chains c = {0};
    int i;

    if (n == 0 || !read_note(p, n, &c) || !sessl_buf_number(b, (size_t)c.verified_n, 1))
        return 0;
    for (i = 1; i < c.verified_n - 1; i++)
        if (!sessl_buf_counted(b, c.verified[i].p, c.verified[i].n, 3))
            return 0;
    return (c.verified_n < 2 || put_root(b, &c.verified[c.verified_n - 1])) && put_sent(b, &c);
}
