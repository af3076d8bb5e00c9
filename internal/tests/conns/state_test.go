package conns_test

import (
	"bytes"
	"errors"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// alertNoApplicationProtocol is RFC 7301's, section 3.2.
const alertNoApplicationProtocol = 120

func TestALPN(t *testing.T) {
	for _, c := range []struct {
		name     string
		srv, cli []string
		want     string
		alert    bool
	}{
		{"server's order", []string{"h2", "http/1.1"}, []string{"http/1.1", "h2"}, "h2", false},
		{"only one in common", []string{"a", "b"}, []string{"c", "b"}, "b", false},
		{"none in common", []string{"a"}, []string{"b"}, "", true},
		{"server names none", nil, []string{"h2"}, "", false},
		{"client names none", []string{"h2"}, nil, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
				srv.NextProtos, cli.NextProtos = c.srv, c.cli
				s := ssltest.StartServer(t, srv)
				conn := ssltest.ClientConn(t, s, ssltest.NewClientCtx(t, cli))
				err := conn.Handshake()
				var e *ssl.Error
				if c.alert {
					if !errors.As(err, &e) {
						t.Fatalf("error %v, want an alert", err)
					}
					if a, _ := e.Alert(); a != alertNoApplicationProtocol {
						t.Errorf("alert %d in %v, want %d", a, err, alertNoApplicationProtocol)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := conn.ConnectionState().NegotiatedProtocol; got != c.want {
					t.Errorf("negotiated %q, want %q", got, c.want)
				}
			})
		})
	}
}

func TestALPNNamesAreChecked(t *testing.T) {
	leakcheck.Test(t)
	for _, names := range [][]string{{""}, {"ok", string(make([]byte, 256))}} {
		cfg := ssltest.ClientConfig(t)
		cfg.NextProtos = names
		if ctx, err := ssl.NewClientCtx(cfg); !errors.Is(err, ssl.ErrConfig) {
			ctx.Close()
			t.Errorf("names of %d and more bytes: %v, want ErrConfig", len(names[0]), err)
		}
	}
}

// The chains of a resumed connection are those of the first, as long as the session has
// stayed in the process.
func TestResumedConnectionKnowsTheChain(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-chain")}
		got := ssltest.NewInbox(t, cli)
		s := ssltest.StartServer(t, srv)
		ctx := ssltest.NewClientCtx(t, cli)
		first := ssltest.Dial(t, s, ctx, nil)
		second := ssltest.Dial(t, s, ctx, got.Last(t))
		if !second.SessionReused() {
			t.Fatal("not resumed")
		}
		a, b := first.ConnectionState(), second.ConnectionState()
		if len(a.PeerCertificates) != 2 || len(a.VerifiedChain) != 3 {
			t.Fatalf("first connection: %d certificates and a chain of %d, want 2 and 3", len(a.PeerCertificates),
				len(a.VerifiedChain))
		}
		for i := range a.PeerCertificates {
			if i >= len(b.PeerCertificates) || !a.PeerCertificates[i].Equal(b.PeerCertificates[i]) {
				t.Fatalf("certificate %d differs on the resumed connection", i)
			}
		}
		for i := range a.VerifiedChain {
			if i >= len(b.VerifiedChain) || !a.VerifiedChain[i].Equal(b.VerifiedChain[i]) {
				t.Fatalf("verified chain differs at %d on the resumed connection", i)
			}
		}
	})
}

func TestServerSeesSNIAndState(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		a, b := p.Client, p.Server
		st := b.ConnectionState()
		if st.ServerName != "localhost" || st.Version != fm.Version || st.CipherName == "" || st.DidResume {
			t.Errorf("server's state is %+v", st)
		}
		if n := len(a.ConnectionState().PeerCertificates); n != 1 {
			t.Errorf("client knows %d certificates, want 1", n)
		}
	})
}

// Both ends know how many bits the key of the encryption has, and that there are none without encryption.
func TestCipherBits(t *testing.T) {
	leakcheck.Test(t)
	for suite, bits := range map[uint16]int{ssltest.SuiteNULL: 0, ssltest.SuiteRSAAES128: 128,
		ssltest.SuiteRSAAES256: 256, ssltest.SuiteAES128GCM13: 128, ssltest.SuiteAES256GCM13: 256} {
		srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
		srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-rsa")}
		for _, cfg := range []*ssl.Config{srv, cli} {
			cfg.CipherSuites = []uint16{suite}
			if suite>>8 != 0x13 {
				cfg.MaxVersion = ssl.VersionTLS12
			}
			if bits == 0 {
				cfg.SecurityLevel = ssl.InsecureSecurityLevel0
			}
		}
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		for _, c := range []*ssl.Conn{p.Client, p.Server} {
			if st := c.ConnectionState(); st.CipherSuite != suite || st.CipherBits != bits {
				t.Errorf("%s has %d bits, want %d", st.CipherName, st.CipherBits, bits)
			}
		}
	}
}

func TestExportKeyingMaterialAgrees(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		a, b := p.Client, p.Server
		export := func(c *ssl.Conn, label string, context []byte) []byte {
			k, err := c.ExportKeyingMaterial(label, context, 32)
			if err != nil {
				t.Fatal(err)
			}
			return k
		}
		if !bytes.Equal(export(a, "EXPORTER-x", []byte("c")), export(b, "EXPORTER-x", []byte("c"))) {
			t.Error("the two sides export different keys")
		}
		if bytes.Equal(export(a, "EXPORTER-x", []byte("c")), export(a, "EXPORTER-y", []byte("c"))) {
			t.Error("another label exports the same key")
		}
		if k, err := a.ExportKeyingMaterial("EXPORTER-x", nil, 0); k == nil || len(k) > 0 || err != nil {
			t.Errorf("length 0: %v, %v", k, err)
		}
		if _, err := a.ExportKeyingMaterial("EXPORTER-x", nil, -1); !errors.Is(err, ssl.ErrRange) {
			t.Errorf("length -1: %v, want ErrRange", err)
		}
	})
}

func TestKeyUpdate(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		s := ssltest.StartServer(t, srv)
		c := ssltest.Dial(t, s, ssltest.NewClientCtx(t, cli), nil)
		for _, request := range []bool{false, true} {
			err := c.KeyUpdate(request)
			if fm.Version == ssl.VersionTLS13 && err != nil {
				t.Fatal(err)
			}
			var e *ssl.Error
			if fm.Version == ssl.VersionTLS12 && !errors.As(err, &e) {
				t.Fatalf("TLS 1.2: %v, want an error", err)
			}
			ssltest.RoundTrip(t, c)
		}
	})
}
