package ssl

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"sync"
	"time"
	"weak"
)

// An inUse has values that are still in use, by a hash of what they were made of. It keeps no
// value alive, and forgets those that have been collected.
type inUse[K comparable, V any] struct{ m sync.Map } // K to weak.Pointer[V]

// get returns the value of that hash, or nil.
func (u *inUse[K, V]) get(key K) *V {
	if w, ok := u.m.Load(key); ok {
		return w.(weak.Pointer[V]).Value()
	}
	return nil
}

func (u *inUse[K, V]) put(key K, v *V) {
	w := weak.Make(v)
	u.m.Store(key, w)
	whenUnused(v, func(key K) { u.m.CompareAndDelete(key, w) }, key)
}

// parsedCerts has the parsed certificates. Peers are few, and parsing what each connection shows
// costs as much as a tenth of a resumption.
var parsedCerts inUse[[sha256.Size]byte, x509.Certificate]

// parseCert is x509.ParseCertificate with a result that may be shared.
func parseCert(der []byte) (*x509.Certificate, error) {
	key := sha256.Sum256(der)
	if c := parsedCerts.get(key); c != nil {
		return c, nil
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	parsedCerts.put(key, c)
	return c, nil
}

func parseChain(der [][]byte) []*x509.Certificate {
	var out []*x509.Certificate
	for _, b := range der {
		c, err := parseCert(b)
		if err != nil {
			break
		}
		out = append(out, c)
	}
	return out
}

// peerChain is what is known of the peer's certificates, in DER. It is noted with the
// session in C, so that copies of the session and its tickets carry it along.
type peerChain struct {
	sent, verified [][]byte

	once             sync.Once
	sentX, verifiedX []*x509.Certificate

	note  []byte // where it was decoded from, or nil
	valid validity
}

// validity is when all certificates of a verified chain are valid.
type validity struct {
	once        sync.Once
	from, until time.Time
	illegible   [][]byte // certificates that crypto/x509 cannot read, such as some roots
}

// knownChains has the decoded notes: the sessions of one peer have the same note, and each
// connection that resumes one looks at it.
var (
	knownChains inUse[uint64, peerChain]
	chainSeed   = maphash.MakeSeed()
)

// notedChain returns the chains of a note, which may be shared, and reports whether they can be read.
// note is borrowed for the call.
func notedChain(note []byte) (p *peerChain, ok bool) {
	key := maphash.Bytes(chainSeed, note)
	if p := knownChains.get(key); p != nil && bytes.Equal(p.note, note) {
		return p, true
	}
	b := bytes.Clone(note)
	if p, ok = decodePeerChain(b); !ok {
		return nil, false
	}
	p.note = b
	knownChains.put(key, p)
	return p, true
}

// inTime reports whether all certificates of the verified chain are valid at now.
func (p *peerChain) inTime(now time.Time) bool {
	v := &p.valid
	v.once.Do(func() {
		for _, der := range p.verified {
			x, err := parseCert(der)
			switch {
			case err != nil:
				v.illegible = append(v.illegible, der)
				continue
			case v.from.Before(x.NotBefore):
				v.from = x.NotBefore
			}
			if v.until.IsZero() || x.NotAfter.Before(v.until) {
				v.until = x.NotAfter
			}
		}
	})
	if now.Before(v.from) || !v.until.IsZero() && now.After(v.until) {
		return false
	}
	return !slices.ContainsFunc(v.illegible, func(der []byte) bool { return !inTime(der) })
}

// encode returns the form of the note: for each certificate a byte for its chain, its
// length in four bytes, and its DER.
func (p *peerChain) encode() []byte {
	var b []byte
	for i, chain := range [][][]byte{p.sent, p.verified} {
		for _, der := range chain {
			b = append(binary.BigEndian.AppendUint32(append(b, byte(i)), uint32(len(der))), der...)
		}
	}
	return b
}

// decodePeerChain is the inverse of encode. It reports whether b has that form; other
// bytes say nothing about a peer.
func decodePeerChain(b []byte) (p *peerChain, ok bool) {
	p = &peerChain{}
	for r := reader(b); len(r) > 0; {
		kind := r.uint8()
		if len(r) < 4 {
			return nil, false
		}
		n := r.number(4)
		if kind > 1 || n < 0 || n > len(r) { // below 0 where an int has 32 bits
			return nil, false
		}
		if der := r.take(n); kind == 0 {
			p.sent = append(p.sent, der)
		} else {
			p.verified = append(p.verified, der)
		}
	}
	return p, true
}

// parsed returns the chains for crypto/x509, parsed at the first call. A certificate
// that OpenSSL accepts but crypto/x509 does not ends its chain.
func (p *peerChain) parsed() (sent, verified []*x509.Certificate) {
	if p == nil {
		return nil, nil
	}
	p.once.Do(func() {
		p.sentX, p.verifiedX = parseChain(p.sent), parseChain(p.verified)
	})
	return p.sentX, p.verifiedX
}

// key returns the peer's public key, or nil if crypto/x509 cannot read the certificate.
func (p *peerChain) key() any {
	if sent, _ := p.parsed(); len(sent) > 0 {
		return sent[0].PublicKey
	}
	return nil
}
