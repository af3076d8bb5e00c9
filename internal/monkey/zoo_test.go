package monkey_test

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A kind is a Ctx and what a connection of it must be able to report.
type kind struct {
	name    string
	ctx     *ssl.Ctx
	verify  bool // it verifies the peer, by a certificate or a key
	version uint16
}

// A zoo has servers and clients of every kind, and the objects that they share.
type zoo struct {
	servers, clients []kind
	closers          []io.Closer
	sessions         shelf
	keys             *ssl.TicketKeys
	cache            *ssl.ServerSessionCache
	mine             *ssl.LRUClientSessionCache
	tally            tally
}

// tally counts the outcomes of the rounds: a monkey whose handshakes all fail tests little.
type tally struct {
	shaken, resumed, early, failed, later atomic.Int64
}

func (t *tally) String() string {
	return fmt.Sprintf("%d handshakes, %d of them resumed, %d with early data, %d failed; %d clients "+
		"asked later",
		t.shaken.Load(), t.resumed.Load(), t.early.Load(), t.failed.Load(), t.later.Load())
}

// A shelf has sessions of all clients, for all clients to offer.
type shelf struct {
	mu sync.Mutex
	ss []*ssl.Session
}

func (s *shelf) put(r chance, x *ssl.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ss) < 64 {
		s.ss = append(s.ss, x)
		return
	}
	i := r.IntN(len(s.ss))
	s.ss[i].Close()
	s.ss[i] = x
}

// with calls f with one of the sessions, which another goroutine may close meanwhile.
func (s *shelf) with(r chance, f func(*ssl.Session)) {
	s.mu.Lock()
	var x *ssl.Session
	if len(s.ss) > 0 {
		x = pick(r, s.ss)
	}
	s.mu.Unlock()
	if x != nil {
		f(x)
	}
}

func (s *shelf) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.ss {
		x.Close()
	}
	s.ss = nil
}

// memory is a store that loses sessions and fails now and then.
type memory struct {
	mu    sync.Mutex
	has   map[string][]byte
	calls int
}

var errStore = errors.New("the store is down")

func (m *memory) Put(_ context.Context, id, sealed []byte, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.calls++; m.calls%13 == 0 || len(m.has) > 1000 {
		clear(m.has)
		return errStore
	}
	m.has[string(id)] = slices.Clone(sealed)
	return nil
}

func (m *memory) Get(_ context.Context, id []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.calls++; m.calls%11 == 0 {
		return nil, errStore
	}
	return slices.Clone(m.has[string(id)]), nil
}

func (m *memory) Remove(_ context.Context, id []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.has, string(id))
	return nil
}

// sometimes fails once in n calls.
func sometimes(n int64) func(ssl.ConnectionState) error {
	var calls atomic.Int64
	return func(ssl.ConnectionState) error {
		if calls.Add(1)%n == 0 {
			return errors.New("the application refuses")
		}
		return nil
	}
}

// add makes a Ctx of a kind.
func (z *zoo) add(t testing.TB, name string, server bool, change func(*ssl.Config)) {
	t.Helper()
	cfg := &ssl.Config{NextProtos: []string{"one", "two"}}
	made := ssl.NewClientCtx
	if server {
		cfg.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-ecdsa")}
		made = ssl.NewServerCtx
	} else {
		cfg.RootCAs, cfg.ServerName = ssltest.Roots(t, "ca"), "localhost"
	}
	cfg.OnNewSession = func(_ *ssl.Conn, s *ssl.Session) {
		z.sessions.put(newChance(0, time.Now().UnixNano(), 0), s)
	}
	change(cfg)
	ctx, err := made(cfg)
	if errors.Is(err, ssl.ErrUnsupported) {
		return
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	k := kind{name: name, ctx: ctx, version: cfg.MaxVersion}
	if server {
		k.verify = cfg.ClientAuth == ssl.RequireAndVerifyClientCert && !cfg.PostHandshakeAuth
		z.servers = append(z.servers, k)
	} else {
		k.verify = !cfg.InsecureSkipVerify
		z.clients = append(z.clients, k)
	}
	z.closers = append(z.closers, ctx)
}

func (z *zoo) close() {
	z.sessions.close()
	for _, c := range z.closers {
		c.Close()
	}
}

// newZoo makes one of each kind.
func newZoo(t *testing.T) *zoo {
	z := &zoo{}
	z.mine = ssl.NewClientSessionCache(500)
	z.keys = ssltest.Must[*ssl.TicketKeys](t)(ssl.NewTicketKeys(nil))
	seal := ssltest.Must[*ssl.SealKeys](t)(ssl.NewSealKeys([]byte("32 bytes that are not all alike.")))
	z.cache = ssltest.Must[*ssl.ServerSessionCache](t)(ssl.NewServerSessionCache(&ssl.ServerCacheOptions{
		MaxSessions: 50,
	}))
	stored := ssltest.Must[*ssl.ServerSessionCache](t)(ssl.NewServerSessionCache(&ssl.ServerCacheOptions{
		MaxSessions: 20, Store: &memory{has: map[string][]byte{}}, SealKeys: seal,
	}))
	guard := ssltest.Must[*ssl.MemoryReplayGuard](t)(ssl.NewReplayGuard(1000))
	psk := ssltest.Must[ssl.PSK](t)(ssl.NewPSK("monkey", []byte("a key of 32 bytes, for the test."),
		crypto.SHA256))
	ca := ssltest.Roots(t, "ca")
	server := func(name string, change func(*ssl.Config)) { z.add(t, name, true, change) }
	client := func(name string, change func(*ssl.Config)) { z.add(t, name, false, change) }

	server("plain", func(*ssl.Config) {})
	server("1.2", func(c *ssl.Config) { c.MaxVersion = ssl.VersionTLS12 })
	server("1.2 ids", func(c *ssl.Config) { c.MaxVersion, c.SessionTicketsDisabled = ssl.VersionTLS12, true })
	server("stateful", func(c *ssl.Config) { c.SessionTicketsDisabled = true })
	server("early", func(c *ssl.Config) { c.MaxEarlyData = 2000 })
	server("keys", func(c *ssl.Config) {
		c.TicketKeys, c.MaxEarlyData, c.ReplayGuard, c.SessionIDContext = z.keys, 1000, guard, []byte("z")
	})
	server("cache", func(c *ssl.Config) {
		c.SessionCache, c.MaxEarlyData, c.ReplayGuard, c.NumTickets = z.cache, 500, guard, 4
	})
	server("store", func(c *ssl.Config) { c.SessionCache, c.MaxSessionAge = stored, time.Hour })
	server("certificates", func(c *ssl.Config) {
		c.ClientAuth, c.ClientCAs, c.TicketKeys = ssl.RequireAndVerifyClientCert, ca, z.keys
	})
	server("any certificate", func(c *ssl.Config) { c.ClientAuth = ssl.RequireAnyClientCert })
	server("later", func(c *ssl.Config) {
		c.ClientAuth, c.ClientCAs, c.PostHandshakeAuth = ssl.RequireAndVerifyClientCert, ca, true
	})
	server("judge", func(c *ssl.Config) { c.VerifyConnection = sometimes(5) })
	server("keys that are known", func(c *ssl.Config) { c.PSKs = []ssl.PSK{psk} })
	server("keys that are asked for", func(c *ssl.Config) {
		c.GetPSK = func(*ssl.ClientHelloInfo, string) (ssl.PSK, error) { return psk, nil }
	})
	own := ssltest.KeyPair(t, "server-rsa")
	server("chooses", func(c *ssl.Config) {
		c.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return &own, nil }
		c.KeyLogWriter = io.Discard
	})
	hosts := slices.Clone(z.servers)
	var n atomic.Int64
	server("hosts", func(c *ssl.Config) {
		c.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) {
			switch i := int(n.Add(1)) % (len(hosts) + 2); {
			case i < len(hosts):
				return hosts[i].ctx, nil
			case i == len(hosts):
				return nil, nil
			}
			return nil, errors.New("no such host")
		}
	})

	cert := ssltest.KeyPair(t, "client")
	client("plain", func(*ssl.Config) {})
	client("1.2", func(c *ssl.Config) { c.MaxVersion = ssl.VersionTLS12 })
	client("trusting", func(c *ssl.Config) { c.InsecureSkipVerify = true })
	client("certificate", func(c *ssl.Config) {
		c.Certificates, c.PostHandshakeAuth = []ssl.Certificate{cert}, true
	})
	client("certificate 1.2", func(c *ssl.Config) {
		c.Certificates, c.MaxVersion = []ssl.Certificate{cert}, ssl.VersionTLS12
	})
	client("certificate by function", func(c *ssl.Config) {
		c.GetClientCertificate = func(*ssl.CertificateRequestInfo) (*ssl.Certificate, error) { return &cert, nil }
		c.PostHandshakeAuth = true
	})
	client("key", func(c *ssl.Config) { c.PSKs = []ssl.PSK{psk} })
	client("only key", func(c *ssl.Config) { c.PSKs, c.PSKOnly, c.RootCAs = []ssl.PSK{psk}, true, nil })
	client("judge", func(c *ssl.Config) { c.VerifyConnection = sometimes(5) })
	client("other roots", func(c *ssl.Config) { c.RootCAs = ssltest.Roots(t, "other-ca") })

	z.closers = append(z.closers, z.mine, z.keys, z.cache, stored, seal)
	return z
}
