package ssltest

import (
	"bytes"
	"encoding/pem"
	"io"
	"testing"

	"sessl/ssl"
)

// Seeds are real sessions of each form, of both ends, in DER.
func Seeds(f *testing.F) [][]byte {
	f.Helper()
	var all [][]byte
	for _, fm := range Forms {
		srv, cli := ServerConfig(f), ClientConfig(f)
		srv.SessionTicketsDisabled = !fm.Tickets
		cli.MaxVersion, srv.MaxVersion = fm.Version, fm.Version
		p := NewTCPPair(f, cli, srv)
		p.MustShake(f)
		p.Echo(f)
		all = append(all, Marshal(f, SessionOf(f, p.Client)), Marshal(f, SessionOf(f, p.Server)))
	}
	for _, v := range Versions {
		all = append(all, Marshal(f, FilledSession(f, v)))
	}
	return all
}

// emptyName finds a PSK identity or hint, or an SRP user, of no bytes: SSL_SESSION_print takes
// the 0 that BIO_printf returns for it as a failure. No handshake makes such a session.
func emptyName(der []byte) bool {
	for _, tag := range []byte{0xa7, 0xa8, 0xac} {
		if bytes.Contains(der, []byte{tag, 2, 4, 0}) {
			return true
		}
	}
	return false
}

// Settles takes a session that input was parsed as, and goes over it with all that reads
// it. What was parsed must be marshalled to what is parsed again, and that must come out
// as it went in.
func Settles(t *testing.T, s *ssl.Session) {
	defer s.Close()
	der, err := s.MarshalBinary()
	if err != nil {
		t.Fatalf("parsed, but not marshalled: %v", err)
	}
	again, err := ssl.ParseSession(der)
	if err != nil {
		t.Fatalf("marshalled, but not parsed again: %v\n%x", err, der)
	}
	defer again.Close()
	if second := Marshal(t, again); !bytes.Equal(second, der) {
		t.Fatalf("marshalled differently the second time:\n%x\n%x", der, second)
	}
	text := MarshalPEM(t, s)
	if block, _ := pem.Decode(text); block == nil || !bytes.Equal(block.Bytes, der) {
		t.Fatal("PEM and DER differ")
	}
	for _, s := range []*ssl.Session{s, again} {
		if err := s.Print(io.Discard); err != nil && !emptyName(der) {
			t.Fatal(err)
		}
		if d, err := s.Timeout(); err != nil || d.Seconds() != float64(int64(d.Seconds())) {
			t.Fatalf("timeout %s, %v", d, err)
		}
		s.PeerCertificate()
		s.SecretKeyLogLine()
		if s.String() == "" {
			t.Fatal("no text")
		}
		d, err := s.Dup()
		if err != nil {
			t.Fatal(err)
		}
		d.Close()
	}
}
