package psk_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Both ends know the key, and show no certificate.
func TestPSKHandshake(t *testing.T) {
	forEachPSK(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		p.Echo(t)
		ssltest.WantPSK(t, p.Client, ssltest.PSKName)
		ssltest.WantPSK(t, p.Server, ssltest.PSKName)
		for _, c := range []*ssl.Conn{p.Client, p.Server} {
			if c.ReuseState() != ssl.ReuseExternalPSK {
				t.Errorf("%v", c.ReuseState())
			}
		}
		if s := p.Client.ConnectionState(); s.Version == ssl.VersionTLS12 && s.CipherSuite != 0xccac {
			t.Errorf("suite %s", s.CipherName)
		}
	})
}

// A key of the other hash, on both ends of a suite of it, in all lengths of identity that
// make a difference to its encoding.
func TestPSKHashes(t *testing.T) {
	leakcheck.Test(t)
	for _, n := range []int{1, 61, 62, 63, 64, 120, 127, 128, 255, 256, 1024} {
		k, err := ssl.NewPSK(strings.Repeat("\x00\xff\"", n)[:n], ssltest.PSKKey, must384(t).Hash())
		if err != nil {
			t.Fatal(err)
		}
		srv := &ssl.Config{PSKs: []ssl.PSK{k}, MinVersion: ssl.VersionTLS13, CipherSuites: []uint16{0x1302, 0x1301}}
		cli := ssltest.CopyOf(srv, func(c *ssl.Config) { c.PSKOnly = true })
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		p.Echo(t)
		ssltest.WantPSK(t, p.Client, k.Identity())
		ssltest.WantPSK(t, p.Server, k.Identity())
		p.CloseBoth()
	}
}

// The server wants another group than the first that the client has sent a share for.
func TestPSKHelloRetry(t *testing.T) {
	leakcheck.Test(t)
	k := ssltest.NewPSK(t, ssltest.PSKName, ssltest.PSKKey)
	srv := &ssl.Config{MinVersion: ssl.VersionTLS13, CurvePreferences: []tls.CurveID{tls.CurveP384}}
	cli := &ssl.Config{PSKs: []ssl.PSK{k}, PSKOnly: true, CurvePreferences: []tls.CurveID{tls.X25519,
		tls.CurveP384}}
	for name, with := range map[string]func(*ssl.Config){
		"table": func(c *ssl.Config) { c.PSKs = []ssl.PSK{k} },
		"GetPSK": func(c *ssl.Config) {
			c.GetPSK = func(*ssl.ClientHelloInfo, string) (ssl.PSK, error) {
				return k,
					nil
			}
		},
	} {
		p := ssltest.NewTCPPair(t, cli, ssltest.CopyOf(srv, with))
		if c, s := p.Shake(); c != nil || s != nil {
			t.Errorf("%s: %v, %v", name, c, s)
		}
		ssltest.WantPSK(t, p.Server, ssltest.PSKName)
		p.CloseBoth()
	}
}

// The key is wrong. No certificate is a way out, neither end goes on, and neither error
// has any of a key.
func TestPSKWrongKey(t *testing.T) {
	for _, only := range []bool{true, false} {
		forEachPSK(t, func(t *testing.T, srv, cli *ssl.Config) {
			cli.PSKs = []ssl.PSK{ssltest.NewPSK(t, ssltest.PSKName, ssltest.OtherKey())}
			if !only {
				cli.PSKOnly, cli.ServerName, cli.RootCAs = false, "localhost", ssltest.Roots(t, "ca")
				srv.Certificates = ssltest.KeyPairs(t, []string{"server-ecdsa"})
			}
			p := ssltest.NewTCPPair(t, cli, srv)
			c, s := p.Shake()
			if cli.MaxVersion == ssl.VersionTLS13 && !isBinderAlert(c) || cli.MaxVersion == ssl.VersionTLS12 &&
				ssltest.AlertOf(c) != 20 { // bad_record_mac
				t.Errorf("client: %v", c)
			}
			for _, err := range []error{c, s} {
				if err == nil || strings.Contains(err.Error(), string(ssltest.PSKKey[:8])) ||
					strings.Contains(err.Error(), "ZZZZ") {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

// After a HelloRetryRequest that has settled another hash, a client does not offer its
// key: libssl would end the handshake, or make a key of SHA-256 of it, by the callback of TLS 1.2.
func TestPSKHelloRetryOtherHash(t *testing.T) {
	leakcheck.Test(t)
	k := must384(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.CurvePreferences = []tls.CurveID{tls.CurveP384}
	cli.PSKs, cli.CurvePreferences = []ssl.PSK{k}, []tls.CurveID{tls.X25519, tls.CurveP384}
	cli.CipherSuites = []uint16{0x1302, 0x1301}
	a, b := ssltest.TCPPipe(t)
	sent := &ssltest.Recorder{Conn: a}
	p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), sent, b)
	p.MustShake(t)
	p.Echo(t) // so that nothing is being sent
	if n := bytes.Count(sent.Sent, []byte(k.Identity())); n != 1 {
		t.Errorf("the key was offered %d times", n)
	}
	if c, s := p.Client.ConnectionState(), p.Server.ConnectionState(); c.PSKIdentity+s.PSKIdentity != "" ||
		!c.Verified || c.CipherSuite != 0x1301 {
		t.Errorf("%+v", c)
	}
}

// isBinderAlert: decrypt_error, as RFC 8446 has it, or illegal_parameter, as 1.1.1 and 3.0.
func isBinderAlert(err error) bool { return ssltest.AlertOf(err) == 51 || ssltest.AlertOf(err) == 47 }

// The identity is unknown. In TLS 1.3 the certificate is left, or the server ends the
// handshake; in TLS 1.2 the client cannot tell it from a wrong key.
func TestPSKUnknownIdentity(t *testing.T) {
	forEachPSK(t, func(t *testing.T, srv, cli *ssl.Config) {
		cli.PSKs = []ssl.PSK{ssltest.NewPSK(t, "nobody", ssltest.PSKKey)}
		p := ssltest.NewTCPPair(t, cli, srv)
		c, _ := p.Shake()
		if want := map[uint16]int{ssl.VersionTLS12: 20,
			ssl.VersionTLS13: 40}[cli.MaxVersion]; ssltest.AlertOf(c) != want { // bad_record_mac, handshake_failure
			t.Errorf("client: %v", c)
		}
	})
}

// A server that does not know the identity shows its certificate, and the client takes it
// only if it verifies and may take any.
func TestPSKDeclined(t *testing.T) {
	leakcheck.Test(t)
	srv := ssltest.ServerConfig(t)
	srv.PSKs, srv.MinVersion = []ssl.PSK{ssltest.NewPSK(t, "another", ssltest.PSKKey)}, ssl.VersionTLS13
	plain := ssltest.ServerConfig(t)
	plain.MinVersion = ssl.VersionTLS13
	client := func(change func(*ssl.Config)) *ssl.Config {
		return ssltest.CopyOf(ssltest.ClientConfig(t),
			func(c *ssl.Config) { c.PSKs = []ssl.PSK{ssltest.NewPSK(t, ssltest.PSKName, ssltest.PSKKey)}; change(c) })
	}
	for name, tc := range map[string]struct {
		cli  *ssl.Config
		want error
	}{
		"verifies":    {client(func(*ssl.Config) {}), nil},
		"other roots": {client(func(c *ssl.Config) { c.RootCAs = ssl.NewCertPool() }), &ssl.VerificationError{}},
		"other name":  {client(func(c *ssl.Config) { c.ServerName = "example.org" }), &ssl.VerificationError{}},
		"PSKOnly":     {client(func(c *ssl.Config) { c.RootCAs, c.PSKOnly = nil, true }), ssl.ErrPSKDeclined},
	} {
		for _, server := range []*ssl.Config{srv, plain} {
			p := ssltest.NewTCPPair(t, tc.cli, server)
			err, _ := p.Shake()
			switch {
			case tc.want == nil:
				if s := p.Client.ConnectionState(); err != nil || s.PSKIdentity != "" || !s.Verified ||
					p.Server.ConnectionState().PSKIdentity != "" {
					t.Errorf("%s: %v, %+v", name, err, s)
				}
			case errors.Is(tc.want, ssl.ErrPSKDeclined):
				if !errors.Is(err, tc.want) || ssltest.VerifyCode(err) == 0 {
					t.Errorf("%s: %v", name, err)
				}
			case ssltest.VerifyCode(err) == 0 || errors.Is(err, ssl.ErrPSKDeclined):
				t.Errorf("%s: %v", name, err)
			}
			p.CloseBoth()
		}
	}
}

// What GetPSK answers, and for which identities it is asked.
func TestGetPSK(t *testing.T) {
	leakcheck.Test(t)
	k := ssltest.NewPSK(t, ssltest.PSKName, ssltest.PSKKey)
	var asked []string
	var answer func() (ssl.PSK, error)
	srv := &ssl.Config{MinVersion: ssl.VersionTLS13,
		PSKs: []ssl.PSK{ssltest.NewPSK(t, "in the table", ssltest.PSKKey)},
		GetPSK: func(h *ssl.ClientHelloInfo, identity string) (ssl.PSK, error) {
			if h.Context().Err() != nil || h.Conn == nil {
				t.Error("the ClientHelloInfo is not whole")
			}
			asked = append(asked, identity)
			return answer()
		}}
	cli := &ssl.Config{PSKs: []ssl.PSK{k}, PSKOnly: true}
	boom := errors.New("boom")
	for name, tc := range map[string]struct {
		answer func() (ssl.PSK, error)
		alert  int // 0: it works; -1: the one of a wrong key
		cause  error
	}{
		"known": {func() (ssl.PSK, error) { return k, nil }, 0, nil},
		"wrong key": {func() (ssl.PSK, error) {
			return ssltest.NewPSK(t, ssltest.PSKName, ssltest.OtherKey()),
				nil
		}, -1, nil},
		"unknown": {func() (ssl.PSK, error) { return ssl.PSK{}, nil }, 40, nil},
		"error":   {func() (ssl.PSK, error) { return ssl.PSK{}, boom }, 80, boom},
		"alert": {func() (ssl.PSK, error) { return ssl.PSK{}, ssl.AlertError(115) }, 115,
			ssl.AlertError(115)},
		"other identity": {func() (ssl.PSK, error) { return ssltest.NewPSK(t, "other", ssltest.PSKKey), nil }, 80,
			ssl.ErrConfig},
		"other hash": {func() (ssl.PSK, error) {
			k, _ := ssl.NewPSK(ssltest.PSKName, ssltest.PSKKey, must384(t).Hash())
			return k, nil
		}, 80, ssl.ErrConfig},
	} {
		asked, answer = nil, tc.answer
		p := ssltest.NewTCPPair(t, cli, srv)
		c, s := p.Shake()
		if tc.alert == 0 && (c != nil || s != nil) || tc.alert > 0 && ssltest.AlertOf(c) != tc.alert ||
			tc.alert < 0 && !isBinderAlert(c) || tc.cause != nil && !errors.Is(s, tc.cause) {
			t.Errorf("%s: %v, %v", name, c, s)
		}
		if !slices.Equal(asked, []string{ssltest.PSKName}) {
			t.Errorf("%s: asked for %q", name, asked)
		}
		p.CloseBoth()
	}
	asked = nil
	p := ssltest.NewTCPPair(t, ssltest.CopyOf(cli, func(c *ssl.Config) { c.PSKs = srv.PSKs }), srv)
	p.MustShake(t)
	if len(asked) > 0 {
		t.Errorf("asked for %q, which is in the table", asked)
	}
}
