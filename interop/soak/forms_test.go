package soak

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// patience bounds waits that would otherwise hang.
const patience = 30 * time.Second

// A form is one way to resume, with a server that supports it.
type form struct {
	name     string
	version  uint16
	tickets  bool // stateless
	cache    bool // a ServerSessionCache with a store behind it; else libssl's internal cache
	mutual   bool // with client certificates
	key      bool // with an external key, and no certificates
	early    bool // with early data, and a ReplayGuard
	age      bool // sessions end soon after their full handshake
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
		{name: "1.2 id, certificates", version: ssl.VersionTLS12, cache: true, mutual: true},
		{name: "1.3 stateful, certificates", version: ssl.VersionTLS13, cache: true, mutual: true},
		{name: "1.2 ticket, key", version: ssl.VersionTLS12, tickets: true, key: true},
		{name: "1.2 id, key", version: ssl.VersionTLS12, cache: true, key: true},
		{name: "1.3 ticket, key", version: ssl.VersionTLS13, tickets: true, key: true},
		{name: "1.3 stateful, key", version: ssl.VersionTLS13, cache: true, key: true},
		{name: "1.3 ticket, early data", version: ssl.VersionTLS13, tickets: true, early: true},
		{name: "1.3 stateful, early data", version: ssl.VersionTLS13, cache: true, early: true},
		{name: "1.2 ticket, age", version: ssl.VersionTLS12, tickets: true, age: true},
		{name: "1.2 id, age", version: ssl.VersionTLS12, cache: true, age: true},
		{name: "1.3 ticket, age", version: ssl.VersionTLS13, tickets: true, age: true},
		{name: "1.3 stateful, age", version: ssl.VersionTLS13, cache: true, age: true},
	}
}

// maxAge is an age that many sessions reach.
const maxAge = 2 * time.Second

// config returns the configuration of the form's server.
func (f *form) config(t *testing.T, w *world) *ssl.Config {
	t.Helper()
	cfg := &ssl.Config{MinVersion: f.version, MaxVersion: f.version}
	switch {
	case f.key:
		cfg.PSKs = []ssl.PSK{w.psk}
	default:
		cfg.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-ecdsa")}
	}
	switch {
	case f.tickets:
		cfg.TicketKeys = w.keys
	case f.cache:
		cfg.SessionCache = w.cache
		cfg.SessionIDContext = []byte(f.name)
	default:
		cfg.SessionTicketsDisabled, cfg.SessionCacheSize = true, 16
	}
	if f.early {
		cfg.MaxEarlyData, cfg.ReplayGuard = 1, w.guard
	}
	if f.age {
		cfg.MaxSessionAge = maxAge
	}
	if f.mutual {
		cfg.ClientAuth, cfg.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
		cfg.VerifyConnection = func(s ssl.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || len(s.VerifiedChain) == 0 {
				t.Errorf("%s: resumed %v without the client's chain", f.name, s.DidResume)
			}
			return nil
		}
	}
	return cfg
}

// serve starts the form's server, which echoes a byte on each connection.
func (f *form) serve(t *testing.T, w *world) {
	t.Helper()
	var err error
	if f.server, err = ssl.NewServerCtx(f.config(t, w)); err != nil {
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
			if f.early {
				echoEarly(c.(*ssl.Conn))
			}
			io.Copy(c, c)
		})
	}
}

// echoEarly answers early data, if there is any.
func echoEarly(c *ssl.Conn) {
	b := make([]byte, 1)
	for {
		n, err := c.ReadEarlyData(b)
		if err != nil {
			return
		}
		c.WriteEarlyData(b[:n])
	}
}
