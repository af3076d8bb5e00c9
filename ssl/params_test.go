package ssl_test

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"sessl/internal/cshim"
	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// stdServer is an end of crypto/tls, which reports what OpenSSL 1.1.1 does not.
func stdServer(t *testing.T, cli *ssl.Config, srv *tls.Config) (client *ssl.Conn, hello *tls.ClientHelloInfo, server *tls.Conn, cerr, serr error) {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(certFile("server-ecdsa.pem"), certFile("server-ecdsa.key"))
	if err != nil {
		t.Fatal(err)
	}
	srv.Certificates = []tls.Certificate{cert}
	srv.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		hello = h
		return nil, nil
	}
	a, b := tcpPipe(t)
	client, err = ssl.Client(a, newClientCtx(t, cli))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	client.SetDeadline(time.Now().Add(ioTimeout))
	b.SetDeadline(time.Now().Add(ioTimeout))
	server = tls.Server(b, srv)
	cerr, serr = both(client.Handshake, server.Handshake, b)
	return client, hello, server, cerr, serr
}

// both runs the handshakes of two ends, and closes b when the first has failed.
func both(first, second func() error, b net.Conn) (err1, err2 error) {
	done := make(chan error)
	go func() { done <- second() }()
	if err1 = first(); err1 != nil {
		b.Close()
	}
	return err1, <-done
}

// The groups that are listed are offered, in that order, and the first in common is used.
func TestCurvePreferences(t *testing.T) {
	leakcheck.Test(t)
	for _, c := range []struct {
		client, server []tls.CurveID
		want           tls.CurveID // 0: none in common
	}{
		{[]tls.CurveID{tls.CurveP384, tls.X25519}, nil, tls.CurveP384},
		{[]tls.CurveID{tls.X25519, tls.CurveP521}, nil, tls.X25519},
		{[]tls.CurveID{tls.CurveP521, tls.CurveP256}, []tls.CurveID{tls.CurveP256}, tls.CurveP256}, // HelloRetryRequest
		{[]tls.CurveID{tls.CurveP521}, []tls.CurveID{tls.X25519}, 0},
	} {
		cli := clientConfig(t)
		cli.CurvePreferences, cli.MinVersion = c.client, ssl.VersionTLS13
		client, hello, server, cerr, serr := stdServer(t, cli, &tls.Config{CurvePreferences: c.server})
		if c.want == 0 {
			if cerr == nil || serr == nil {
				t.Errorf("%v with %v: client %v, server %v", c.client, c.server, cerr, serr)
			}
			continue
		}
		if cerr != nil || serr != nil {
			t.Errorf("%v with %v: client %v, server %v", c.client, c.server, cerr, serr)
			continue
		}
		if got := server.ConnectionState().CurveID; got != c.want {
			t.Errorf("%v with %v: %v, want %v", c.client, c.server, got, c.want)
		}
		if len(hello.SupportedCurves) != len(c.client) || hello.SupportedCurves[0] != c.client[0] {
			t.Errorf("offered %v, want %v", hello.SupportedCurves, c.client)
		}
		client.Close()
	}
}

// A server takes only what it lists.
func TestCurvePreferencesOfServer(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.CurvePreferences = []tls.CurveID{tls.CurveP384}
		cli.CurvePreferences = []tls.CurveID{tls.CurveP256, tls.CurveP384}
		newTCPPair(t, cli, srv).mustShake(t)
		cli.CurvePreferences = []tls.CurveID{tls.CurveP256}
		p := newTCPPair(t, cli, srv)
		cerr, serr := p.shake()
		if serr == nil || alertOf(cerr) != alertHandshakeFailure {
			t.Errorf("client %v, server %v", cerr, serr)
		}
	})
}

// X25519MLKEM768 is used where the library has it, and named with the version needed where
// it has not.
func TestHybridGroup(t *testing.T) {
	leakcheck.Test(t)
	cli := clientConfig(t)
	cli.CurvePreferences, cli.MinVersion = []tls.CurveID{tls.X25519MLKEM768, tls.X25519}, ssl.VersionTLS13
	if v := cshim.Version(); strings.HasPrefix(v, "OpenSSL 1.") || strings.HasPrefix(v, "OpenSSL 3.0") {
		err := cli.CheckClient()
		refuses(t, v, err, ssl.ErrUnsupported)
		if err != nil && !strings.Contains(err.Error(), "X25519MLKEM768 needs OpenSSL 3.5") {
			t.Errorf("%q does not say what is needed", err)
		}
		return
	}
	_, _, server, cerr, serr := stdServer(t, cli, &tls.Config{})
	if cerr != nil || serr != nil || server.ConnectionState().CurveID != tls.X25519MLKEM768 {
		t.Errorf("client %v, server %v, group %v", cerr, serr, server.ConnectionState().CurveID)
	}
}

// Every group and scheme that this package names is known to the library, or is reported
// with the version that knows it.
func TestNamesOfGroupsAndSchemes(t *testing.T) {
	leakcheck.Test(t)
	try := func(what string, cfg *ssl.Config) {
		err := cfg.CheckClient()
		if err != nil && !(errors.Is(err, ssl.ErrUnsupported) && strings.Contains(err.Error(), "needs OpenSSL")) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, id := range ssl.GroupIDs() {
		try(id.String(), &ssl.Config{RootCAs: ssl.NewCertPool(), CurvePreferences: []tls.CurveID{id}})
	}
	for _, id := range ssl.SchemeIDs() {
		try(id.String(), &ssl.Config{RootCAs: ssl.NewCertPool(), SignatureSchemes: []tls.SignatureScheme{id}, SecurityLevel: ssl.InsecureSecurityLevel0})
	}
}

// The schemes that are listed are offered, and a peer that can sign with none of them is
// refused.
func TestSignatureSchemes(t *testing.T) {
	leakcheck.Test(t)
	for _, c := range []struct {
		schemes []tls.SignatureScheme
		ok      bool
	}{
		{[]tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256}, true},
		{[]tls.SignatureScheme{tls.PSSWithSHA512, tls.Ed25519}, false},
	} {
		cli := clientConfig(t)
		cli.SignatureSchemes, cli.MinVersion = c.schemes, ssl.VersionTLS13
		_, hello, _, cerr, serr := stdServer(t, cli, &tls.Config{})
		if ok := cerr == nil && serr == nil; ok != c.ok {
			t.Errorf("%v: client %v, server %v", c.schemes, cerr, serr)
		}
		if len(hello.SignatureSchemes) != len(c.schemes) || hello.SignatureSchemes[0] != c.schemes[0] {
			t.Errorf("offered %v, want %v", hello.SignatureSchemes, c.schemes)
		}
	}
}

// At level 3 nothing weaker than 128 bits passes: neither the peer's key of 2048 bits, nor
// what the peer signs with it.
func TestSecurityLevelRefusesPeer(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.Certificates = []ssl.Certificate{keyPair(t, "server-rsa")}
		cli.SecurityLevel = 3
		p := newTCPPair(t, cli, srv)
		cerr, _ := p.shake()
		const eeKeyTooSmall = 66
		if verifyCode(cerr) != eeKeyTooSmall {
			t.Errorf("client: %v", cerr)
		}
	})
}

// TLS 1.0 and 1.1 work for those who demand them with all that they need.
func TestOldVersions(t *testing.T) {
	leakcheck.Test(t)
	for _, v := range []uint16{ssl.VersionTLS10, ssl.VersionTLS11} {
		old := func(c *ssl.Config) {
			c.MinVersion, c.MaxVersion, c.SecurityLevel = v, v, ssl.InsecureSecurityLevel0
			c.CipherSuites = []uint16{suiteECDSACBC}
		}
		srv, cli := serverConfig(t), clientConfig(t)
		old(srv)
		old(cli)
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		if got := p.client.ConnectionState().Version; got != v {
			t.Errorf("%s, want %s", ssl.VersionName(got), ssl.VersionName(v))
		}
		p.closeBoth()
	}
}
