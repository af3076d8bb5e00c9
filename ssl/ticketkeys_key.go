package ssl

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"log/slog"
	"time"

	"sessl/internal/clock"
)

// A TicketKey is one key for the tickets of a server. It consists of a name of 16
// bytes, which each ticket begins with and which is no secret, a key for HMAC-SHA256,
// and a key for AES in CBC mode. Each secret has 256 bits, or 128 bits if the key came
// from 48 bytes. The secrets live in OpenSSL's memory and nowhere in Go.
//
// A holder of the key can read every connection that was resumed with a ticket of it, and
// every TLS 1.2 connection on which such a ticket was issued, and can pose as any client
// that was authenticated by its certificate. So replace keys often, and wipe them.
//
// Copies of a TicketKey share one object in C, which is wiped when the last copy is
// gone and no [TicketKeys] uses it any more. There is nothing to close.
type TicketKey struct {
	k    *ticketKey
	made int64 // in Unix nanoseconds; 0: not known
}

// ticketKey is what the copies share.
type ticketKey struct {
	h    handle[ticketKeyPtr]
	name ticketKeyName
}

var ticketKeyKind = kind[ticketKeyPtr]{name: "ticketkey", free: freeTicketKey, gone: ErrClosed}

type ticketKeyName [ticketNameLen]byte

func (n ticketKeyName) String() string { return hex.EncodeToString(n[:]) }

const (
	ticketNameLen  = 16
	ticketKeyLong  = 80 // bytes: the name and two secrets of 32
	ticketKeyShort = 48 // bytes: the name and two secrets of 16
)

// adoptTicketKey takes over the caller's reference.
func adoptTicketKey(p ticketKeyPtr) TicketKey {
	k := &ticketKey{name: ticketKeyNameOf(p)}
	k.h.adopt(&ticketKeyKind, p)
	return TicketKey{k: k}
}

// withPtr is the only way to the pointer: the object lives until f has returned.
func (k TicketKey) withPtr(op string, f func(ticketKeyPtr) error) error {
	if k.k == nil {
		return fail(op, configError("the ticket key is empty"))
	}
	p, err := k.k.h.acquire()
	if err != nil {
		return fail(op, err)
	}
	defer k.k.h.release()
	return f(p)
}

// NewTicketKey makes a random key of 80 bytes, including its name, with OpenSSL's
// generator for secrets (RAND_priv_bytes). Its Made is now.
func NewTicketKey() (TicketKey, error) {
	p, err := randomTicketKey("NewTicketKey")
	if err != nil {
		return TicketKey{}, err
	}
	return adoptTicketKey(p).WithMade(clock.Now()), nil
}

// ParseTicketKey takes the 80 or 48 bytes of a key in the order of nginx's
// ssl_session_ticket_key files: in 80 bytes the name, the HMAC key, the AES key; in 48 bytes the
// AES key comes before the HMAC key. The caller should wipe b afterwards: no copy is left in Go.
//
// ParseTicketKey returns ErrMalformed for other sizes, and for a secret that repeats one
// byte: tickets under a key of zeros have been an attack on real servers (CVE-2020-13777).
func ParseTicketKey(b []byte) (TicketKey, error) {
	const op = "ParseTicketKey"
	p, err := parseTicketKey(op, b, false)
	if err != nil {
		return TicketKey{}, err
	}
	return adoptTicketKey(p), nil
}

// parseTicketKey returns a reference. In haproxy's form the AES key comes first in 80 bytes, too.
func parseTicketKey(op string, b []byte, haproxy bool) (ticketKeyPtr, error) {
	if len(b) != ticketKeyLong && len(b) != ticketKeyShort {
		return nil, fail(op, fmt.Errorf("%w: a ticket key has %d or %d bytes, not %d",
			ErrMalformed, ticketKeyLong, ticketKeyShort, len(b)))
	}
	secrets := b[ticketNameLen:]
	for _, half := range [][]byte{secrets[:len(secrets)/2], secrets[len(secrets)/2:]} {
		if bytes.Count(half, half[:1]) == len(half) {
			return nil, fail(op, fmt.Errorf("%w: a secret of the ticket key is one byte over and over", ErrMalformed))
		}
	}
	return readTicketKey(op, b, haproxy)
}

// SecretBytes returns the key in the form that ParseTicketKey takes, secrets included.
// The caller must keep the result secret, and wipe it.
func (k TicketKey) SecretBytes() (b []byte, err error) {
	err = k.withPtr("TicketKey.SecretBytes", func(p ticketKeyPtr) error {
		b = ticketKeyBytes(p, false)
		return nil
	})
	return b, err
}

// Name is the key's name in hexadecimal, as tickets begin with it, or "" for the zero value.
func (k TicketKey) Name() string {
	if k.k == nil {
		return ""
	}
	return k.k.name.String()
}

// Made is when the key was made, as whoever made it has said; zero if that is not known, as for keys
// from files. SecretBytes has no place for it: machines that hand keys on hand it on beside them.
func (k TicketKey) Made() time.Time {
	if k.made == 0 {
		return time.Time{}
	}
	return time.Unix(0, k.made)
}

// WithMade returns k as a key that was made at t, for [TicketKeyInfo]; the zero Time means not known.
// Nothing but Infos depends on it. k and the result share one object in C.
func (k TicketKey) WithMade(t time.Time) TicketKey {
	k.made = 0
	if !t.IsZero() {
		k.made = t.UnixNano()
	}
	return k
}

// String returns the key's name, and none of its secrets.
func (k TicketKey) String() string { return "ssl.TicketKey(" + k.Name() + ")" }

// GoString is String.
func (k TicketKey) GoString() string { return k.String() }

// LogValue returns the key's name.
func (k TicketKey) LogValue() slog.Value { return slog.GroupValue(slog.String("name", k.Name())) }
