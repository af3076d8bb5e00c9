package ssl_test

import (
	"bytes"
	"encoding/pem"
	"io"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// seeds are real sessions of each form, of both ends, in DER.
func seeds(f *testing.F) [][]byte {
	f.Helper()
	var all [][]byte
	for _, fm := range forms {
		srv, cli := serverConfig(f), clientConfig(f)
		srv.SessionTicketsDisabled = !fm.tickets
		cli.MaxVersion, srv.MaxVersion = fm.version, fm.version
		p := newTCPPair(f, cli, srv)
		p.mustShake(f)
		p.echo(f)
		all = append(all, marshal(f, sessionOf(f, p.client)), marshal(f, sessionOf(f, p.server)))
	}
	for _, v := range versions {
		all = append(all, marshal(f, filled(f, v)))
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

// settles takes a session that input was parsed as, and goes over it with all that reads
// it. What was parsed must be marshalled to what is parsed again, and that must come out
// as it went in.
func settles(t *testing.T, s *ssl.Session) {
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
	if second := marshal(t, again); !bytes.Equal(second, der) {
		t.Fatalf("marshalled differently the second time:\n%x\n%x", der, second)
	}
	text := marshalPEM(t, s)
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

func FuzzParseSession(f *testing.F) {
	leakcheck.Test(f)
	for _, der := range seeds(f) {
		f.Add(der)
		f.Add(der[:len(der)/2])
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, der []byte) {
		s, err := ssl.ParseSession(der)
		if err != nil {
			if s != nil {
				t.Fatal("a session and an error")
			}
			return
		}
		settles(t, s)
	})
}

func FuzzParseSessionPEM(f *testing.F) {
	leakcheck.Test(f)
	for _, der := range seeds(f) {
		f.Add(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}))
	}
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 0}}))
	f.Add([]byte("-----BEGIN " + pemType + "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END " + pemType + "-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ssl.ParseSessionPEM(text)
		if err != nil {
			if s != nil {
				t.Fatal("a session and an error")
			}
			return
		}
		settles(t, s)
	})
}
