package ssl

import (
	"crypto"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// A PSK is an external pre-shared key: a secret that client and server were given by other
// means, under an identity that is sent in the clear. It authenticates both of them without
// any certificate: see [Config].PSKs. The key lives in OpenSSL's memory and nowhere in Go.
//
// Only two parties should know a key (RFC 9257): in a group that shares one, every member
// can pose as the server. A key must be random: an observer of a TLS 1.3 ClientHello, or a
// party to a TLS 1.2 handshake, can test any number of guesses. A password is not a key.
//
// A PSK is bound to a hash, SHA-256 unless it is made with another. The imported keys of
// RFC 9258, which suit any hash, are not possible: libssl cannot compute their binders.
//
// Copies of a PSK share one object in C, which is wiped when the last copy is gone and
// no Ctx uses it any more. There is nothing to close.
type PSK struct{ k *psk }

// psk is what the copies share.
type psk struct {
	h           handle[pskPtr]
	identity    string
	hash        crypto.Hash
	keyLen      int
	fingerprint [pskFingerprint]byte
}

var pskKind = kind[pskPtr]{name: "psk", free: freePSK, gone: ErrClosed}

// minPSKKey is 128 bits, which cannot be guessed if they are random.
const minPSKKey = 16

// NewPSK makes a key for SHA-256, the hash of TLS_AES_128_GCM_SHA256, or for hash if
// that is crypto.SHA384; 0 means SHA-256. In TLS 1.3 the key works only with suites of
// its hash (RFC 8446, section 4.2.11). In TLS 1.2 either hash will do.
//
// NewPSK returns ErrConfig if the key is shorter than 16 bytes, the identity is empty,
// or hash is another one. It returns ErrTooLarge if the identity is longer than 1,024
// bytes, or the key longer than OpenSSL accepts (512 bytes, 256 in 1.1.1). TLS 1.2
// accepts only identities that have no zero byte and are at most 256 bytes long (128 in
// 1.1.1). The caller should wipe key afterwards: no copy is left in Go.
func NewPSK(identity string, key []byte, hash crypto.Hash) (PSK, error) {
	const op = "NewPSK"
	if len(key) > 0 && len(key) < minPSKKey {
		return PSK{}, fail(op, configError("a PSK of %d bytes can be guessed, the minimum is %d",
			len(key), minPSKKey))
	}
	return newPSK(op, identity, key, hash)
}

// NewInsecureShortPSK is [NewPSK] for keys of fewer than 16 bytes, which old devices
// have. An observer of a TLS 1.3 handshake, or a party to one of TLS 1.2, can find such
// a key by guessing, and then read or forge whatever only the key protected.
func NewInsecureShortPSK(identity string, key []byte, hash crypto.Hash) (PSK, error) {
	return newPSK("NewInsecureShortPSK", identity, key, hash)
}

func newPSK(op, identity string, key []byte, hash crypto.Hash) (PSK, error) {
	if hash == 0 {
		hash = crypto.SHA256
	}
	switch {
	case identity == "":
		return PSK{}, fail(op, configError("the identity of the PSK is empty"))
	case len(key) == 0:
		return PSK{}, fail(op, configError("the PSK is empty"))
	case hash != crypto.SHA256 && hash != crypto.SHA384:
		return PSK{}, fail(op, configError("the PSK's hash is %d, SHA-256 and SHA-384 are possible", uint(hash)))
	case len(identity) > maxPSKIdentity:
		return PSK{}, fail(op, fmt.Errorf("%w: the identity has %d bytes, the limit is %d",
			ErrTooLarge, len(identity), maxPSKIdentity))
	case len(key) > maxPSKKey:
		return PSK{}, fail(op, fmt.Errorf("%w: the PSK has %d bytes, the limit is %d",
			ErrTooLarge, len(key), maxPSKKey))
	}
	p, err := makePSK(op, identity, key, hash == crypto.SHA384)
	if err != nil {
		return PSK{}, err
	}
	k := &psk{identity: identity, hash: hash, keyLen: len(key), fingerprint: pskFingerprintOf(p)}
	k.h.adopt(&pskKind, p)
	return PSK{k}, nil
}

// Identity is the key's name on the wire, or "" for the zero value.
func (k PSK) Identity() string {
	if k.k == nil {
		return ""
	}
	return k.k.identity
}

// Hash is crypto.SHA256 or crypto.SHA384, or 0 for the zero value.
func (k PSK) Hash() crypto.Hash {
	if k.k == nil {
		return 0
	}
	return k.k.hash
}

// String returns the identity and the hash, but nothing of the key.
func (k PSK) String() string {
	if k.k == nil {
		return "ssl.PSK()"
	}
	return fmt.Sprintf("ssl.PSK(%s, %s)", quotedIdentity(k.k.identity), k.k.hash)
}

// GoString is String.
func (k PSK) GoString() string { return k.String() }

// LogValue returns the identity and the hash.
func (k PSK) LogValue() slog.Value {
	if k.k == nil {
		return slog.GroupValue()
	}
	return slog.GroupValue(slog.String("identity", k.k.identity), slog.String("hash", k.k.hash.String()))
}

// quotedIdentity makes an identity, which may be the peer's choice, safe for a line of text.
func quotedIdentity(s string) string {
	const most = 64
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}

// fits12 reports whether the key can be used in TLS 1.2, too.
func (k *psk) fits12() bool {
	return len(k.identity) <= maxPSKIdentity12 && strings.IndexByte(k.identity, 0) < 0
}
