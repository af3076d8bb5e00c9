package ssltest

import (
	"bytes"
	"testing"

	"sessl/ssl"
)

// PSKSession makes a connection with the key, and returns the session to resume.
func PSKSession(t *testing.T, cctx, sctx *ssl.Ctx) *ssl.Session {
	t.Helper()
	p := Meet(t, cctx, sctx, nil)
	defer p.CloseBoth()
	WantPSK(t, p.Client, PSKName)
	return SessionOf(t, p.Client)
}

// PSKName is the identity of the key in newPSK.
const PSKName = "Client_identity"

// PSKKey is a key for tests.
var PSKKey = []byte("0123456789abcdef-0123456789abcdef")[:32]

// NewPSK makes a key of SHA-256.
func NewPSK(t testing.TB, identity string, key []byte) ssl.PSK {
	t.Helper()
	k, err := ssl.NewPSK(identity, key, 0)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// OtherKey is as long as PSKKey, and not the same.
func OtherKey() []byte { return bytes.Repeat([]byte{0x5a}, len(PSKKey)) }

// WantPSK checks that the connection rests on the key and on nothing else.
func WantPSK(t *testing.T, c *ssl.Conn, identity string) {
	t.Helper()
	s := c.ConnectionState()
	if s.PSKIdentity != identity || s.DidResume || s.Verified || len(s.PeerCertificates)+len(s.VerifiedChain)+
		len(s.LocalCertificates) > 0 {
		t.Errorf("identity %q, resumed %t, verified %t, %d certificates", s.PSKIdentity, s.DidResume, s.Verified,
			len(s.PeerCertificates))
	}
	if c.SessionReused() || c.ReuseState().Resumed() {
		t.Errorf("a key is called a resumption: %v", c.ReuseState())
	}
}
