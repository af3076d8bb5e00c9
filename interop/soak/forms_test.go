package soak

import (
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessl/ssl"
)

// patience bounds what would otherwise hang.
const patience = 30 * time.Second

// A form is one way to resume, with a server that knows it.
type form struct {
	name     string
	version  uint16
	tickets  bool // stateless
	cache    bool // a ServerSessionCache with a store behind it; else libssl's internal cache
	mutual   bool // with client certificates
	server   *ssl.Ctx
	addr     string
	full     atomic.Uint64
	resumed  atomic.Uint64
	accepted sync.WaitGroup
}

func forms() []*form {
	return []*form{
		{name: "1.2 id, cache and store", version: ssl.VersionTLS12, cache: true},
		{name: "1.2 id, libssl's cache", version: ssl.VersionTLS12},
		{name: "1.2 ticket", version: ssl.VersionTLS12, tickets: true},
		{name: "1.3 stateful, cache and store", version: ssl.VersionTLS13, cache: true},
		{name: "1.3 stateful, libssl's cache", version: ssl.VersionTLS13},
		{name: "1.3 ticket", version: ssl.VersionTLS13, tickets: true},
		{name: "1.2 ticket, certificates", version: ssl.VersionTLS12, tickets: true, mutual: true},
		{name: "1.3 ticket, certificates", version: ssl.VersionTLS13, tickets: true, mutual: true},
		{name: "1.3 stateful, certificates", version: ssl.VersionTLS13, cache: true, mutual: true},
	}
}

func certFile(name string) string { return filepath.Join("..", "..", "testdata", "certs", name) }

func keyPair(t *testing.T, name string) []ssl.Certificate {
	t.Helper()
	c, err := ssl.LoadX509KeyPair(certFile(name+".pem"), certFile(name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return []ssl.Certificate{c}
}

func pool(t *testing.T) *ssl.CertPool {
	t.Helper()
	p, err := ssl.LoadCertPool(certFile("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// serve starts the form's server, which echoes a byte on each connection.
func (f *form) serve(t *testing.T, w *world) {
	t.Helper()
	cfg := &ssl.Config{Certificates: keyPair(t, "server-ecdsa"), MinVersion: f.version, MaxVersion: f.version}
	switch {
	case f.tickets:
		cfg.TicketKeys = w.keys
	case f.cache:
		cfg.SessionCache = w.cache
		cfg.SessionIDContext = []byte(f.name)
	default:
		cfg.SessionTicketsDisabled, cfg.SessionCacheSize = true, 16
	}
	if f.mutual {
		cfg.ClientAuth, cfg.ClientCAs = ssl.RequireAndVerifyClientCert, pool(t)
		cfg.VerifyConnection = func(s ssl.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || len(s.VerifiedChain) == 0 {
				t.Errorf("%s: resumed %v without the client's chain", f.name, s.DidResume)
			}
			return nil
		}
	}
	var err error
	if f.server, err = ssl.NewServerCtx(cfg); err != nil {
		t.Fatal(err)
	}
	l, err := ssl.Listen("tcp", "127.0.0.1:0", f.server)
	if err != nil {
		t.Fatal(err)
	}
	f.addr = l.Addr().String()
	f.accepted.Go(func() { f.accept(l) })
	t.Cleanup(func() {
		l.Close()
		f.accepted.Wait()
		f.server.Close()
	})
}

func (f *form) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		f.accepted.Go(func() {
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			io.Copy(c, c)
		})
	}
}
