package conns_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

const extECH = 0xfe0d

// echKey is a key whose public name is a.test.
func echKey(t *testing.T) tls.EncryptedClientHelloKey {
	t.Helper()
	key, err := ssl.NewEncryptedClientHelloKey("a.test")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// echKeys are a server's, which every library before 4.0 refuses.
func echKeys(t *testing.T, keys ...tls.EncryptedClientHelloKey) *ssl.EncryptedClientHelloKeys {
	t.Helper()
	k, err := ssl.NewEncryptedClientHelloKeys(keys...)
	if ssltest.LibraryRelease() < "4.0" {
		ssltest.Refuses(t, "keys", err, ssl.ErrUnsupported)
		t.Skip("Encrypted Client Hello needs OpenSSL 4.0")
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// echConfigs are a server for the public name a.test and the hidden name b.test, and its client.
func echConfigs(t *testing.T, keys *ssl.EncryptedClientHelloKeys) (srv, cli *ssl.Config) {
	srv, cli = ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.Certificates = ssltest.KeyPairs(t, []string{"a-test", "b-test"})
	srv.EncryptedClientHelloKeys = keys
	cli.ServerName, cli.EncryptedClientHelloConfigList = "b.test", keys.ConfigList()
	return srv, cli
}

func TestECHNeedsOpenSSL4(t *testing.T) {
	leakcheck.Test(t)
	key := echKey(t)
	cli := ssltest.ClientConfig(t)
	cli.EncryptedClientHelloConfigList = append([]byte{0, byte(len(key.Config))}, key.Config...)
	grease := ssltest.ClientConfig(t)
	grease.EncryptedClientHelloGREASE = true
	for _, cfg := range []*ssl.Config{cli, grease} {
		err := cfg.CheckClient()
		if ssltest.LibraryRelease() >= "4.0" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		ssltest.Refuses(t, ssltest.LibraryRelease(), err, ssl.ErrUnsupported)
	}
}

func TestECHMistakes(t *testing.T) {
	leakcheck.Test(t)
	keys := echKeys(t, echKey(t))
	client := func(change func(*ssl.Config)) error {
		_, cli := echConfigs(t, keys)
		change(cli)
		return cli.CheckClient()
	}
	server := func(change func(*ssl.Config)) error {
		srv, _ := echConfigs(t, keys)
		change(srv)
		return srv.CheckServer()
	}
	judge := func(ssl.ConnectionState) error { return nil }
	ssltest.RefusesAll(t, []ssltest.Refusal{
		{What: "TLS 1.2 as the highest", Err: client(ssltest.Version(ssl.VersionTLS12)), Want: ssl.ErrConfig},
		{What: "TLS 1.2 as the lowest", Err: client(func(c *ssl.Config) { c.MinVersion = ssl.VersionTLS12 }),
			Want: ssl.ErrConfig},
		{What: "an empty list", Err: client(func(c *ssl.Config) { c.EncryptedClientHelloConfigList = []byte{} }),
			Want: ssl.ErrConfig},
		{What: "a list that is cut", Err: client(func(c *ssl.Config) {
			c.EncryptedClientHelloConfigList = c.EncryptedClientHelloConfigList[:20]
		}), Want: ssl.ErrConfig},
		{What: "a list of another version", Err: client(func(c *ssl.Config) {
			c.EncryptedClientHelloConfigList[2]++
		}), Want: ssl.ErrConfig},
		{What: "GREASE too", Err: client(func(c *ssl.Config) { c.EncryptedClientHelloGREASE = true }),
			Want: ssl.ErrConfig},
		{What: "a client's keys", Err: client(func(c *ssl.Config) { c.EncryptedClientHelloKeys = keys }),
			Want: ssl.ErrConfig},
		{What: "a judge of nothing", Err: client(func(c *ssl.Config) {
			c.EncryptedClientHelloConfigList, c.EncryptedClientHelloRejectionVerify = nil, judge
		}), Want: ssl.ErrConfig},
		{What: "a server's list", Err: server(func(c *ssl.Config) {
			c.EncryptedClientHelloConfigList = keys.ConfigList()
		}), Want: ssl.ErrConfig},
		{What: "keys out of nowhere", Err: server(func(c *ssl.Config) {
			c.EncryptedClientHelloKeys = &ssl.EncryptedClientHelloKeys{}
		}), Want: ssl.ErrConfig},
		{What: "no key", Err: keys.SetKeys(), Want: ssl.ErrConfig},
		{What: "no files", Err: keys.Reload(), Want: ssl.ErrConfig},
	})
}

// What an observer sees has the public name and not the server's.
func TestECHHidesTheName(t *testing.T) {
	leakcheck.Test(t)
	_, cli := echConfigs(t, echKeys(t, echKey(t)))
	a, b := ssltest.TCPPipe(t)
	client, err := ssl.Client(a, ssltest.NewClientCtx(t, cli))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- client.Handshake() }()
	hello := make([]byte, 5)
	if _, err := io.ReadFull(b, hello); err != nil {
		t.Fatal(err)
	}
	hello = append(hello, make([]byte, int(hello[3])<<8|int(hello[4]))...)
	if _, err := io.ReadFull(b, hello[5:]); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(hello, []byte("a.test")) || bytes.Contains(hello, []byte("b.test")) {
		t.Errorf("the ClientHello is %q", hello)
	}
	client.Close()
	if err := <-done; err == nil {
		t.Error("a handshake without a server")
	}
}

// crypto/tls's client with our server: also after a HelloRetryRequest, and with the functions that see
// the ClientHello, which is the inner one.
func TestECHServerWithCryptoTLS(t *testing.T) {
	leakcheck.Test(t)
	for _, c := range []struct {
		name   string
		change func(srv *ssl.Config, saw func(*ssl.ClientHelloInfo))
		retry  bool
	}{
		{"plain", func(*ssl.Config, func(*ssl.ClientHelloInfo)) {}, false},
		{"HelloRetryRequest", func(srv *ssl.Config, _ func(*ssl.ClientHelloInfo)) {
			srv.CurvePreferences = []tls.CurveID{tls.CurveP384}
		}, true},
		{"GetCertificate", func(srv *ssl.Config, saw func(*ssl.ClientHelloInfo)) {
			srv.GetCertificate = func(h *ssl.ClientHelloInfo) (*ssl.Certificate, error) { saw(h); return nil, nil }
		}, false},
		{"GetConfigForClient", func(srv *ssl.Config, saw func(*ssl.ClientHelloInfo)) {
			chosen := ssltest.NewServerCtx(t, &ssl.Config{Certificates: srv.Certificates[1:]})
			srv.Certificates = srv.Certificates[:1]
			srv.GetConfigForClient = func(h *ssl.ClientHelloInfo) (*ssl.Ctx, error) { saw(h); return chosen, nil }
		}, false},
		{"GetConfigForClient and HelloRetryRequest", func(srv *ssl.Config, saw func(*ssl.ClientHelloInfo)) {
			chosen := ssltest.NewServerCtx(t, &ssl.Config{Certificates: srv.Certificates[1:],
				CurvePreferences: []tls.CurveID{tls.CurveP384}})
			srv.GetConfigForClient = func(h *ssl.ClientHelloInfo) (*ssl.Ctx, error) { saw(h); return chosen, nil }
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv, cli := echConfigs(t, echKeys(t, echKey(t)))
			var seen *ssl.ClientHelloInfo
			c.change(srv, func(h *ssl.ClientHelloInfo) { seen = h })
			peer, ours := ssltest.StdClient(t, srv, &tls.Config{ServerName: "b.test", MinVersion: tls.VersionTLS13,
				EncryptedClientHelloConfigList: cli.EncryptedClientHelloConfigList})
			state := ours.ConnectionState()
			if !peer.ECHAccepted || !state.ECHAccepted || !state.TLS().ECHAccepted || state.ServerName != "b.test" {
				t.Errorf("client accepted %t, server %t, name %q", peer.ECHAccepted, state.ECHAccepted, state.ServerName)
			}
			if state.HelloRetryRequest != c.retry || peer.PeerCertificates[0].DNSNames[0] != "b.test" {
				t.Errorf("HelloRetryRequest %t, certificate for %v", state.HelloRetryRequest,
					peer.PeerCertificates[0].DNSNames)
			}
			if seen != nil && (seen.ServerName != "b.test" || !slices.Contains(seen.Extensions, 0)) {
				t.Errorf("the function saw the name %q and the extensions %v", seen.ServerName, seen.Extensions)
			}
		})
	}
}

// Our client with crypto/tls's server, which is told the same key.
func TestECHClientWithCryptoTLS(t *testing.T) {
	leakcheck.Test(t)
	key := echKey(t)
	_, cli := echConfigs(t, echKeys(t, key))
	cli.ServerName = "localhost"
	for _, groups := range [][]tls.CurveID{nil, {tls.CurveP384}} {
		client, hello, server, cerr, serr := ssltest.StdServer(t, cli, &tls.Config{CurvePreferences: groups,
			EncryptedClientHelloKeys: []tls.EncryptedClientHelloKey{key}})
		if cerr != nil || serr != nil {
			t.Fatalf("client %v, server %v", cerr, serr)
		}
		state := client.ConnectionState()
		if !server.ConnectionState().ECHAccepted || !state.ECHAccepted || hello.ServerName != "localhost" ||
			state.HelloRetryRequest != (groups != nil) {
			t.Errorf("%v: server accepted %t, client %t, name %q", groups, server.ConnectionState().ECHAccepted,
				state.ECHAccepted, hello.ServerName)
		}
		client.Close()
	}
}

// A client without a list that looks as if it had one is served, and nothing was encrypted.
func TestECHGrease(t *testing.T) {
	leakcheck.Test(t)
	key := echKey(t)
	echKeys(t, key)
	cli := ssltest.ClientConfig(t)
	cli.EncryptedClientHelloGREASE = true
	client, hello, _, cerr, serr := ssltest.StdServer(t, cli, &tls.Config{
		EncryptedClientHelloKeys: []tls.EncryptedClientHelloKey{key}})
	if cerr != nil || serr != nil || !slices.Contains(hello.Extensions, extECH) ||
		client.ConnectionState().ECHAccepted {
		t.Errorf("client %v, server %v, extensions %v", cerr, serr, hello.Extensions)
	}
	client.Close()
}

// Keys change while clients come, who never see it; and Reload keeps the old ones where a file is bad.
func TestECHKeysAreReplaced(t *testing.T) {
	leakcheck.Test(t)
	dir := t.TempDir()
	write := func(name string, key tls.EncryptedClientHelloKey) string {
		b, err := ssl.MarshalEncryptedClientHelloKeyPEM(key)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	one, two := echKey(t), echKey(t)
	echKeys(t, one)
	keys, err := ssl.LoadEncryptedClientHelloKeys(write("current", one), write("old", two))
	if err != nil {
		t.Fatal(err)
	}
	srv, cli := echConfigs(t, keys)
	sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
	first := keys.ConfigList()
	write("current", two)
	write("old", one)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 200 {
			if err := keys.Reload(); err != nil {
				t.Error(err)
			}
		}
	}()
	for range 20 {
		p := ssltest.Meet(t, cctx, sctx, nil)
		if !p.Client.ConnectionState().ECHAccepted || !p.Server.ConnectionState().ECHAccepted {
			t.Error("not accepted")
		}
		p.CloseBoth()
	}
	<-done
	if bytes.Equal(keys.ConfigList(), first) {
		t.Error("the list is still that of the first key")
	}
	if err := os.WriteFile(filepath.Join(dir, "old"), []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := keys.Reload(); !errors.Is(err, ssl.ErrMalformed) {
		t.Errorf("a bad file: %v", err)
	}
	ssltest.Meet(t, cctx, sctx, nil).CloseBoth()
	var none *ssl.EncryptedClientHelloKeys
	ssltest.Refuses(t, "nil", none.SetKeys(one), ssl.ErrNil)
	if none.ConfigList() != nil {
		t.Error("nil has a list")
	}
}
