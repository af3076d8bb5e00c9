/* What the C files share and Go does not see: each function that only C calls, under the heading of
 * its file, in the order of the rooms. */
#ifndef SESSL_PRIVATE_H
#define SESSL_PRIVATE_H

#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "cache.h"
#include "cert.h"
#include "certcomp.h"
#include "conn.h"
#include "ctx.h"
#include "ech.h"
#include "err.h"
#include "psk.h"
#include "session.h"
#include "structs.h"
#include "ticket.h"
#include "trust.h"

/* Slots of ex_data, registered by sessl_init and defined in the file that has what is in them: of an
 * SSL_SESSION, of an SSL, whose connection it is, of an X509, and of an SSL_CTX. */
extern int sessl_ssl_slot, sessl_leaf_slot, sessl_packed_slot;
extern int sessl_alpn_slot, sessl_trust_slot, sessl_tickets_slot, sessl_policy_slot;
extern int sessl_psk_slot, sessl_certs_slot, sessl_removed_slot, sessl_rpk_slot;

/* ---- err.c ---- */

void sessl_err_clear(void);
void sessl_err_begin(sessl_err *e);
void sessl_err_take(sessl_err *e);

/* ---- buf.c ---- */

int sessl_buf_reserve(sessl_buf *b, size_t n);
int sessl_buf_append(sessl_buf *b, const uint8_t *p, size_t n);
int sessl_buf_number(sessl_buf *b, size_t v, int n);
int sessl_buf_counted(sessl_buf *b, const uint8_t *p, size_t n, int width);
const uint8_t *sessl_take(sessl_reader *r, size_t n);
uint64_t sessl_take_number(sessl_reader *r, int width);
const uint8_t *sessl_take_counted(sessl_reader *r, int width, size_t *n);

/* ---- record.c ---- */

void sessl_set_current_ctx(uint64_t ctx_id);
void sessl_record_init(void);
int sessl_session_recorded(const SSL_SESSION *s);
void sessl_session_set_travels(SSL_SESSION *s, int yes);

/* ---- values.c ---- */

struct sessl_value;

struct sessl_value *sessl_value_new(void);
struct sessl_value *sessl_value_dup(const struct sessl_value *v);
uint64_t sessl_value_number(const struct sessl_value *v);
void sessl_value_release(struct sessl_value *v);

/* ---- session.c ---- */

void sessl_drop_session(SSL_SESSION *s);

/* ---- session_fields.c ---- */

int64_t sessl_session_until(const SSL_SESSION *s);
int sessl_session_peer_fits(SSL_SESSION *s, const sessl_host *h);
const SSL_CIPHER *sessl_cipher_by_id(SSL_CTX *ctx, uint16_t id, sessl_err *e);

/* ---- life.c: how long a session may be resumed ---- */

void sessl_cap_life(SSL_SESSION *s, int64_t left);
void sessl_cap_timeout(SSL *ssl, SSL_SESSION *s);

/* ---- cache.c ---- */

SSL_SESSION *sessl_conn_find(const sessl_conn *c, SSL *ssl, const uint8_t *id, size_t n);
void sessl_conn_drop_found(sessl_conn *c);

/* ---- forms.c: sessions in tickets and sessions in the cache, on one server ---- */

void sessl_form_set_staying(SSL *ssl, int yes);
void sessl_conn_settle_issued(const sessl_conn *c, SSL *ssl, SSL_SESSION *s);

/* ---- idkeys.c ---- */

void sessl_id_keys_up_ref(sessl_id_keys *k);
int sessl_id_keys_mark(sessl_id_keys *k, uint8_t *id, size_t n);

/* ---- removed.c ---- */

void sessl_removed_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);
int sessl_ctx_removed_waiting(SSL_CTX *ctx);

/* ---- provider.c: what a Ctx takes its algorithms from ---- */

SSL_CTX *sessl_ctx_make(int server, int want_fips, const char *query, int *why);
EVP_CIPHER *sessl_aes_cbc(int bits, int want_fips, const char *query);
EVP_MD *sessl_md(const char *name, int want_fips, const char *query);
void sessl_md_free(EVP_MD *md);
void *sessl_hmac(int want_fips, const char *query);
void sessl_hmac_free(void *mac);
void sessl_aes_cbc_free(EVP_CIPHER *c);

/* ---- policy.c ---- */

void sessl_conn_settle(sessl_conn *c, SSL *ssl);
void sessl_policy_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);
const sessl_policy *sessl_ctx_policy(const SSL_CTX *ctx);
int sessl_session_names_host(SSL *ssl, const SSL_SESSION *s);
int sessl_same_name(const char *a, const char *b);
int sessl_session_keep_host(SSL *ssl, SSL_SESSION *s);

/* ---- suites.c ---- */

int sessl_has_version(SSL *ssl, int min, int max);

/* ---- system.c ---- */

int sessl_cipher_is13(const SSL_CIPHER *c);
int sessl_cipher_anonymous(const SSL_CIPHER *c);

/* ---- trust.c ---- */

void sessl_trust_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);
int64_t sessl_ctx_trust_until(const SSL_CTX *ctx);
int sessl_modulus_bits(EVP_PKEY *key);
void sessl_conn_blame(sessl_conn *c, X509 *cert, int depth);
int sessl_verify_cb(int ok, X509_STORE_CTX *store);

/* ---- verify.c ---- */

void sessl_conn_forget_chains(sessl_conn *c);

/* ---- paths.c: how a chain is found ---- */

int sessl_verify_paths(X509_STORE_CTX *store);

/* ---- rpk.c ---- */

void sessl_rpk_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);
int sessl_key_der(EVP_PKEY *key, uint8_t **out);
EVP_PKEY *sessl_session_raw_key(const SSL_SESSION *s);
int sessl_session_rate_raw(SSL *ssl, const SSL_SESSION *s);
EVP_PKEY *sessl_shown_raw_key(X509_STORE_CTX *store);
int sessl_takes_type(SSL *ssl, int raw);
int sessl_judge_raw_key(SSL *ssl, EVP_PKEY *key);
void sessl_conn_blame_key(sessl_conn *c, EVP_PKEY *key);

/* ---- lastword.c ---- */

int sessl_ctx_have_last_word(SSL_CTX *ctx);

/* ---- names.c ---- */

int sessl_conn_set_name(sessl_conn *c, const char *name, size_t n, const uint8_t *ip, size_t ip_len,
                        int check, sessl_err *e);
int sessl_cert_is_for(X509 *x, const sessl_host *h);
int sessl_names_have(const GENERAL_NAMES *names, const sessl_host *h);
int sessl_host_asked(SSL *ssl, sessl_host *h);
int sessl_host_set(sessl_host *h, const char *name, size_t n, const uint8_t *ip, size_t ip_len);
void sessl_host_clear(sessl_host *h);

/* ---- identity.c ---- */

void sessl_cert_up_ref(sessl_cert *c);

/* ---- cert.c: certificates in DER ---- */

X509 *sessl_parse_cert(const uint8_t **p, size_t n, sessl_err *e);
int sessl_cert_der(STACK_OF(X509) *chain, int i, uint8_t **out);

/* ---- key.c: private keys ---- */

EVP_PKEY *sessl_key_read(const uint8_t *p, size_t n, const uint8_t *pass, int pass_len, int *why,
                         sessl_err *e);

/* ---- signer.c ---- */

EVP_PKEY *sessl_signer_key(X509 *leaf, uint64_t cert, int *why);

/* ---- signer_thread.c ---- */

uint8_t *sessl_signing_wait(const sessl_tbs *tbs, size_t *n);
int sessl_signing_step(sessl_conn *c, int (*step)(sessl_conn *));
void sessl_signing_end(sessl_conn *c);

/* ---- pick.c ---- */

/* Several certificates, to choose one from for each connection. Immutable. */
typedef struct sessl_certs sessl_certs;

void sessl_certs_free(sessl_certs *s);
void sessl_certs_freed(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);
int sessl_conn_pick(sessl_conn *c, SSL *ssl);

/* ---- certpack.c: a server's certificates, compressed ---- */

void sessl_packed_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);
int sessl_leaf_may_pack(X509 *leaf);
void sessl_ctx_pack(const SSL_CTX *ctx, const sessl_cert *c);
void sessl_conn_pack(const sessl_conn *c, SSL *ssl);
int sessl_conn_pack_stapled(const sessl_conn *c, SSL *ssl, const uint8_t *staple, size_t n);
int sessl_cert_unpack(const uint8_t *p, size_t n, size_t max, sessl_buf *b);

/* ---- staple.c ---- */

void sessl_companion_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);
int sessl_cert_attach(sessl_cert *c, sessl_err *e);
uint64_t sessl_conn_sent_cert(sessl_conn *c);
int sessl_ctx_set_stapling(SSL_CTX *ctx);

/* ---- stapled.c ---- */

void sessl_conn_watch_staple(sessl_conn *c);
size_t sessl_conn_staple(sessl_conn *c, const uint8_t **p);

/* ---- pskkey.c ---- */

void sessl_psk_up_ref(sessl_psk *k);
const sessl_psk_table *sessl_psks_of(SSL *ssl);
int sessl_psk_is(const sessl_psk *k, const uint8_t *id, size_t n);
sessl_psk *sessl_psk_find(const sessl_psk_table *t, const uint8_t *id, size_t n);
void sessl_psk_table_free(sessl_psk_table *t);
void sessl_psks_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);
sessl_psk_table *sessl_psk_table_new(sessl_psk *const *keys, size_t n);

/* ---- psk.c ---- */

int sessl_conn_made(const sessl_conn *c, const SSL_SESSION *s);
int sessl_use_session_cb(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *n, SSL_SESSION **out);
void sessl_conn_drop_psk(sessl_conn *c);
void sessl_conn_psk_done(sessl_conn *c);
int sessl_ctx_psk_suites(SSL_CTX *ctx);

/* ---- psk12.c: keys in TLS 1.2 ---- */

unsigned sessl_psk_client_cb(SSL *ssl, const char *hint, char *identity, unsigned max_identity,
                             unsigned char *psk, unsigned max_psk);
unsigned sessl_psk_server_cb(SSL *ssl, const char *identity, unsigned char *psk, unsigned max_psk);

/* ---- ticketkeys.c ---- */

void sessl_ticket_ring_drop(sessl_ticket_ring *r);
sessl_ticket_ring *sessl_ticket_ring_take(sessl_ticket_keys *k);

/* ---- ticket.c ---- */

/* What a connection gets no ticket of, for want of a key. */
#define SESSL_WITHHELD_12 1
#define SESSL_WITHHELD_13 2

/* What has become of the ticket that a client offers. */
#define SESSL_TICKET_NONE 0
#define SESSL_TICKET_UNKNOWN 1 /* its key is not here */
#define SESSL_TICKET_CURRENT 2 /* its key is the one that encrypts */
#define SESSL_TICKET_OTHER 3

void sessl_tickets_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);
int sessl_conn_hold_keys(sessl_conn *c, SSL *ssl);
int sessl_conn_seals(const sessl_conn *c);
void sessl_conn_drop_keys(sessl_conn *c);
void sessl_conn_withheld(sessl_conn *c);
void sessl_conn_ticket_done(sessl_conn *c);
int sessl_ticket_key_is_here(SSL_CTX *ctx, const uint8_t *ticket, size_t n);
SSL_SESSION *sessl_conn_open_ticket(sessl_conn *c, const uint8_t *p, size_t n, int want_fips,
                                    const char *query);

/* ---- frame.c: what a ticket keeps besides the session ---- */

int sessl_session_frame(SSL_SESSION *s, sessl_frame *f);
int sessl_session_set_frame(SSL_SESSION *s, const sessl_frame *f);

/* ---- chain.c: the certificates in it ---- */

int64_t sessl_cert_left(const X509 *x);
int64_t sessl_chain_until(SSL *ssl);
int sessl_chain_shown(SSL *ssl, SSL_SESSION *s);
int sessl_chain_pack(SSL *ssl, SSL_SESSION *s, sessl_buf *b);
int sessl_chain_unpack(SSL_CTX *ctx, SSL_SESSION *s, const sessl_frame *f);

/* ---- chain_note.c ---- */

int sessl_chain_pack_note(const SSL_SESSION *s, sessl_buf *b);

/* ---- appdata.c ---- */

size_t sessl_conn_ticket_data(sessl_conn *c, const uint8_t **p);
void sessl_conn_drop_ticket_data(sessl_conn *c);
int sessl_session_admit(SSL_CTX *ctx, SSL_SESSION *s);
int sessl_ctx_frame_tickets(SSL_CTX *ctx);

/* ---- conn.c ---- */

int sessl_conn_attach(sessl_conn *c);
int sessl_step_status(sessl_conn *c, int ok);
int sessl_step_holds(sessl_conn *c, sessl_step *st);
int sessl_step_elsewhere(sessl_conn *c, sessl_step *st);
void sessl_step_begin(sessl_conn *c, int fd, const uint8_t *in, size_t in_len, uint8_t *sink, size_t cap,
                      sessl_step *st);
void sessl_conn_hello_sent(sessl_conn *c);

/* ---- socket.c: the socket of a step ---- */

#define SESSL_RECORD 17408 /* one large record, which is what is read ahead at first */
#define SESSL_AHEAD_MAX (4 * SESSL_RECORD)

size_t sessl_conn_recv(sessl_conn *c, uint8_t *p, size_t n);
void sessl_conn_send(sessl_conn *c);

/* ---- bio.c ---- */

void sessl_conn_begin(sessl_conn *c, int fd, const uint8_t *in, size_t in_len, uint8_t *sink,
                      size_t sink_cap);
void sessl_conn_end(sessl_conn *c, sessl_step *st);
const BIO_METHOD *sessl_bio_method(void);

/* ---- conn_session.c ---- */

int sessl_new_session_cb(SSL *ssl, SSL_SESSION *s);
void sessl_conn_renewed(sessl_conn *c);

/* ---- hello_offers.c ---- */

/* What a ClientHello offers: to resume, and more. */
#define SESSL_OFFERS_ID 1     /* of TLS 1.2, and known here */
#define SESSL_OFFERS_TICKET 2 /* of TLS 1.2 */
#define SESSL_OFFERS_PSK 4
#define SESSL_OFFERS_ANY 7
#define SESSL_OFFERS_EARLY 8      /* data, with the first PSK */
#define SESSL_OFFERS_MAYBE 16     /* an id of TLS 1.2, or one that a client makes up */
#define SESSL_OFFERS_UNPACKING 32 /* to decompress the server's certificate */

int sessl_hello_offers(SSL *ssl, int only_tls12);
int sessl_hello_may_be_cached(const sessl_conn *c, SSL *ssl);
int sessl_hello_has_unknown_key(const sessl_conn *c, SSL *ssl);
void sessl_conn_settle_form(sessl_conn *c, SSL *ssl);

/* ---- hello.c ---- */

/* How far a connection is with the hello. */
#define SESSL_HELLO_FIRST 0
#define SESSL_HELLO_ANSWERED 1
#define SESSL_HELLO_REFUSED 2
#define SESSL_HELLO_SEEN 3

int sessl_hello_cb(SSL *ssl, int *al, void *arg);

/* ---- ech.c ---- */

int sessl_ech_carry(const sessl_conn *c, SSL *from, SSL *to);

/* ---- hello_watch.c ---- */

void sessl_conn_watch_hello(sessl_conn *c);

/* ---- hold.c: a ClientHello that has not come as a whole ---- */

/* The longest ClientHello that is taken, as in crypto/tls; libssl would take twice as much. */
#define SESSL_HELLO_MAX 65536

void sessl_hold_spoken(sessl_conn *c, const uint8_t *p, size_t n);
void sessl_conn_forget_message(sessl_conn *c);
int sessl_conn_holds(sessl_conn *c);

/* ---- early_limit.c: how much early data a ticket allows ---- */

void sessl_conn_limit_early(sessl_conn *c, SSL_SESSION *s);

/* ---- postauth.c ---- */

int sessl_conn_answered(const sessl_conn *c);
int sessl_conn_disown_answer(const sessl_conn *c, SSL_SESSION *s);

/* ---- alpn.c ---- */

void sessl_alpn_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);

/* ---- breath.c ---- */

void sessl_breath_begin(sessl_conn *c);
void sessl_breath_end(sessl_conn *c);
void sessl_conn_breathe(sessl_conn *c);
void sessl_info_cb(const SSL *ssl, int where, int ret);

/* ---- keylog.c ---- */

void sessl_keylog_cb(const SSL *ssl, const char *line);

#endif
