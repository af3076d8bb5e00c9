package ssl_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// C-27: both ends know the key, and show no certificate.
func TestC27_PSK(t *testing.T) {
	forEachPSK(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		p.echo(t)
		wantPSK(t, p.client, pskName)
		wantPSK(t, p.server, pskName)
		for _, c := range []*ssl.Conn{p.client, p.server} {
			if c.ReuseState() != ssl.ReuseExternalPSK {
				t.Errorf("%v", c.ReuseState())
			}
		}
		if s := p.client.ConnectionState(); s.Version == ssl.VersionTLS12 && s.CipherSuite != 0xccac {
			t.Errorf("suite %s", s.CipherName)
		}
	})
}

// C-27: a key of the other hash, on both ends of a suite of it, in all lengths of identity that
// make a difference to its encoding.
func TestC27_PSKHashes(t *testing.T) {
	leakcheck.Test(t)
	for _, n := range []int{1, 61, 62, 63, 64, 120, 127, 128, 255, 256, 1024} {
		k, err := ssl.NewPSK(strings.Repeat("\x00\xff\"", n)[:n], pskKey, must384(t).Hash())
		if err != nil {
			t.Fatal(err)
		}
		srv := &ssl.Config{PSKs: []ssl.PSK{k}, MinVersion: ssl.VersionTLS13, CipherSuites: []uint16{0x1302, 0x1301}}
		cli := copyOf(srv, func(c *ssl.Config) { c.PSKOnly = true })
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		p.echo(t)
		wantPSK(t, p.client, k.Identity())
		wantPSK(t, p.server, k.Identity())
		p.closeBoth()
	}
}

// C-27: the server wants another group than the first that the client has sent a share for.
func TestC27_PSKHelloRetry(t *testing.T) {
	leakcheck.Test(t)
	k := newPSK(t, pskName, pskKey)
	srv := &ssl.Config{MinVersion: ssl.VersionTLS13, CurvePreferences: []tls.CurveID{tls.CurveP384}}
	cli := &ssl.Config{PSKs: []ssl.PSK{k}, PSKOnly: true, CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP384}}
	for name, with := range map[string]func(*ssl.Config){
		"table":  func(c *ssl.Config) { c.PSKs = []ssl.PSK{k} },
		"GetPSK": func(c *ssl.Config) { c.GetPSK = func(*ssl.ClientHelloInfo, string) (ssl.PSK, error) { return k, nil } },
	} {
		p := newTCPPair(t, cli, copyOf(srv, with))
		if c, s := p.shake(); c != nil || s != nil {
			t.Errorf("%s: %v, %v", name, c, s)
		}
		wantPSK(t, p.server, pskName)
		p.closeBoth()
	}
}

// C-27: the key is wrong. No certificate is a way out, neither end goes on, and neither error
// has any of a key.
func TestC27_WrongKey(t *testing.T) {
	for _, only := range []bool{true, false} {
		forEachPSK(t, func(t *testing.T, srv, cli *ssl.Config) {
			cli.PSKs = []ssl.PSK{newPSK(t, pskName, otherKey())}
			if !only {
				cli.PSKOnly, cli.ServerName, cli.RootCAs = false, "localhost", roots(t, "ca")
				srv.Certificates = keyPairs(t, []string{"server-ecdsa"})
			}
			p := newTCPPair(t, cli, srv)
			c, s := p.shake()
			if cli.MaxVersion == ssl.VersionTLS13 && !isBinderAlert(c) || cli.MaxVersion == ssl.VersionTLS12 && alertOf(c) != 20 { // bad_record_mac
				t.Errorf("client: %v", c)
			}
			for _, err := range []error{c, s} {
				if err == nil || strings.Contains(err.Error(), string(pskKey[:8])) || strings.Contains(err.Error(), "ZZZZ") {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

// C-27: after a HelloRetryRequest that has settled another hash, a client does not offer its
// key: libssl would end the handshake, or make a key of SHA-256 of it, by the callback of TLS 1.2.
func TestC27_PSKHelloRetryOtherHash(t *testing.T) {
	leakcheck.Test(t)
	k := must384(t)
	srv, cli := serverConfig(t), clientConfig(t)
	srv.CurvePreferences = []tls.CurveID{tls.CurveP384}
	cli.PSKs, cli.CurvePreferences = []ssl.PSK{k}, []tls.CurveID{tls.X25519, tls.CurveP384}
	cli.CipherSuites = []uint16{0x1302, 0x1301}
	a, b := tcpPipe(t)
	sent := &recorder{Conn: a}
	p := newPair(t, newClientCtx(t, cli), newServerCtx(t, srv), sent, b)
	p.mustShake(t)
	p.echo(t) // so that nothing is being sent
	if n := bytes.Count(sent.sent, []byte(k.Identity())); n != 1 {
		t.Errorf("the key was offered %d times", n)
	}
	if c, s := p.client.ConnectionState(), p.server.ConnectionState(); c.PSKIdentity+s.PSKIdentity != "" || !c.Verified || c.CipherSuite != 0x1301 {
		t.Errorf("%+v", c)
	}
}

// isBinderAlert: decrypt_error, as RFC 8446 has it, or illegal_parameter, as 1.1.1 and 3.0.
func isBinderAlert(err error) bool { return alertOf(err) == 51 || alertOf(err) == 47 }

// C-27: the identity is unknown. In TLS 1.3 the certificate is left, or the server ends the
// handshake; in TLS 1.2 the client cannot tell it from a wrong key.
func TestC27_UnknownIdentity(t *testing.T) {
	forEachPSK(t, func(t *testing.T, srv, cli *ssl.Config) {
		cli.PSKs = []ssl.PSK{newPSK(t, "nobody", pskKey)}
		p := newTCPPair(t, cli, srv)
		c, _ := p.shake()
		if want := map[uint16]int{ssl.VersionTLS12: 20, ssl.VersionTLS13: 40}[cli.MaxVersion]; alertOf(c) != want { // bad_record_mac, handshake_failure
			t.Errorf("client: %v", c)
		}
	})
}

// C-27: a server that does not know the identity shows its certificate, and the client takes it
// only if it verifies and may take any.
func TestC27_DeclinedKey(t *testing.T) {
	leakcheck.Test(t)
	srv := serverConfig(t)
	srv.PSKs, srv.MinVersion = []ssl.PSK{newPSK(t, "another", pskKey)}, ssl.VersionTLS13
	plain := serverConfig(t)
	plain.MinVersion = ssl.VersionTLS13
	client := func(change func(*ssl.Config)) *ssl.Config {
		return copyOf(clientConfig(t), func(c *ssl.Config) { c.PSKs = []ssl.PSK{newPSK(t, pskName, pskKey)}; change(c) })
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
			p := newTCPPair(t, tc.cli, server)
			err, _ := p.shake()
			switch {
			case tc.want == nil:
				if s := p.client.ConnectionState(); err != nil || s.PSKIdentity != "" || !s.Verified || p.server.ConnectionState().PSKIdentity != "" {
					t.Errorf("%s: %v, %+v", name, err, s)
				}
			case errors.Is(tc.want, ssl.ErrPSKDeclined):
				if !errors.Is(err, tc.want) || verifyCode(err) == 0 {
					t.Errorf("%s: %v", name, err)
				}
			case verifyCode(err) == 0 || errors.Is(err, ssl.ErrPSKDeclined):
				t.Errorf("%s: %v", name, err)
			}
			p.closeBoth()
		}
	}
}

// C-27: what GetPSK answers, and for which identities it is asked.
func TestC27_GetPSK(t *testing.T) {
	leakcheck.Test(t)
	k := newPSK(t, pskName, pskKey)
	var asked []string
	var answer func() (ssl.PSK, error)
	srv := &ssl.Config{MinVersion: ssl.VersionTLS13, PSKs: []ssl.PSK{newPSK(t, "in the table", pskKey)},
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
		"known":          {func() (ssl.PSK, error) { return k, nil }, 0, nil},
		"wrong key":      {func() (ssl.PSK, error) { return newPSK(t, pskName, otherKey()), nil }, -1, nil},
		"unknown":        {func() (ssl.PSK, error) { return ssl.PSK{}, nil }, 40, nil},
		"error":          {func() (ssl.PSK, error) { return ssl.PSK{}, boom }, 80, boom},
		"alert":          {func() (ssl.PSK, error) { return ssl.PSK{}, ssl.AlertError(115) }, 115, ssl.AlertError(115)},
		"other identity": {func() (ssl.PSK, error) { return newPSK(t, "other", pskKey), nil }, 80, ssl.ErrConfig},
		"other hash":     {func() (ssl.PSK, error) { k, _ := ssl.NewPSK(pskName, pskKey, must384(t).Hash()); return k, nil }, 80, ssl.ErrConfig},
	} {
		asked, answer = nil, tc.answer
		p := newTCPPair(t, cli, srv)
		c, s := p.shake()
		if tc.alert == 0 && (c != nil || s != nil) || tc.alert > 0 && alertOf(c) != tc.alert || tc.alert < 0 && !isBinderAlert(c) || tc.cause != nil && !errors.Is(s, tc.cause) {
			t.Errorf("%s: %v, %v", name, c, s)
		}
		if !slices.Equal(asked, []string{pskName}) {
			t.Errorf("%s: asked for %q", name, asked)
		}
		p.closeBoth()
	}
	asked = nil
	p := newTCPPair(t, copyOf(cli, func(c *ssl.Config) { c.PSKs = srv.PSKs }), srv)
	p.mustShake(t)
	if len(asked) > 0 {
		t.Errorf("asked for %q, which is in the table", asked)
	}
}
