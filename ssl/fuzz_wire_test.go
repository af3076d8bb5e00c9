package ssl_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// script is a connection whose peer has said all that it will say.
type script struct {
	net.Conn
	in *bytes.Reader
}

func (s script) Read(b []byte) (int, error)       { return s.in.Read(b) }
func (s script) Write(b []byte) (int, error)      { return len(b), nil }
func (s script) Close() error                     { return nil }
func (s script) SetDeadline(time.Time) error      { return nil }
func (s script) SetReadDeadline(time.Time) error  { return nil }
func (s script) SetWriteDeadline(time.Time) error { return nil }
func (s script) LocalAddr() net.Addr              { return nil }
func (s script) RemoteAddr() net.Addr             { return nil }

// recorded is what a client says first, with and without a session.
func recorded(t testing.TB, ctx *ssl.Ctx, offer *ssl.Session) []byte {
	t.Helper()
	r := &recorder{Conn: script{in: bytes.NewReader(nil)}}
	c, err := ssl.Client(r, ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	offerNothing(t, c)
	if offer != nil {
		if err := c.SetSession(offer); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Handshake(); err == nil {
		t.Fatal("a handshake with nobody")
	}
	return r.sent
}

// FuzzClientHello gives a server that looks at everything in a hello any first flight.
func FuzzClientHello(f *testing.F) {
	leakcheck.Test(f)
	keys, err := ssl.NewTicketKeys(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { keys.Close() })
	srv := serverConfig(f)
	srv.Certificates = append(srv.Certificates, keyPair(f, "server-rsa"))
	srv.NextProtos, srv.TicketKeys = []string{"h2", "http/1.1"}, keys
	srv.GetConfigForClient = func(h *ssl.ClientHelloInfo) (*ssl.Ctx, error) {
		h.SupportsCertificate(&srv.Certificates[0])
		return nil, nil
	}
	cached := copyOf(srv, func(c *ssl.Config) { c.TicketKeys, c.SessionCache = nil, newServerCache(f, nil) })
	sctxs := []*ssl.Ctx{newServerCtx(f, srv), newServerCtx(f, cached)}
	for _, v := range versions {
		cctx := newClientCtx(f, copyOf(clientConfig(f), func(c *ssl.Config) { c.MaxVersion, c.NextProtos = v, []string{"h2"} }))
		f.Add(recorded(f, cctx, nil))
		for _, sctx := range sctxs {
			p := meet(f, cctx, sctx, nil)
			f.Add(recorded(f, cctx, sessionOf(f, p.client)))
			p.closeBoth()
		}
	}
	f.Fuzz(func(t *testing.T, hello []byte) {
		framed := binary.BigEndian.AppendUint16([]byte{22, 3, 1}, uint16(len(hello)))
		for _, in := range [][]byte{hello, append(framed, hello...)} {
			for _, sctx := range sctxs {
				c, err := ssl.Server(script{in: bytes.NewReader(in)}, sctx)
				if err != nil {
					t.Fatal(err)
				}
				if err := c.Handshake(); err == nil {
					t.Error("a handshake of one flight")
				}
				c.Close()
			}
		}
	})
}

// fuzzMeet is a handshake in memory, in which each end may refuse.
func fuzzMeet(t *testing.T, c *ssl.Conn, b net.Conn, sctx *ssl.Ctx) (client, server error, reused bool) {
	s, err := ssl.Server(b, sctx)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(ioTimeout))
	s.SetDeadline(time.Now().Add(ioTimeout))
	done := make(chan struct{})
	go func() {
		defer close(done)
		server = s.Handshake()
		c.NetConn().SetDeadline(time.Unix(1, 0)) // whoever still waits does so in vain
		reused = s.SessionReused()
		s.ConnectionState()
		s.Close()
	}()
	client = c.Handshake()
	if client != nil {
		c.Close()
	}
	<-done
	c.Close()
	return client, server, reused
}

// FuzzTicketFrame has a server resume a session that has any bytes for what our servers keep in
// tickets: times, chain, the application's data.
func FuzzTicketFrame(f *testing.F) {
	leakcheck.Test(f)
	srv, cli := serverConfig(f), clientConfig(f)
	srv.MaxVersion, srv.SessionCache = ssl.VersionTLS12, newServerCache(f, nil)
	srv.ClientAuth, srv.ClientCAs, cli.Certificates = ssl.RequireAndVerifyClientCert, roots(f, "ca"), []ssl.Certificate{keyPair(f, "client")}
	srv.MaxSessionAge = time.Hour
	box := newInbox(f, srv)
	sctx, cctx := newServerCtx(f, srv), newClientCtx(f, cli)
	p := meet(f, cctx, sctx, nil)
	offer, made := sessionOf(f, p.client), box.last(f)
	p.closeBoth()
	frame, err := made.TicketAppData()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(frame)
	f.Add([]byte{})
	for n := range len(frame) {
		if n < 40 || n%97 == 0 {
			f.Add(frame[:n])
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		s, err := made.Dup()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SetTicketAppData(frame); err != nil {
			s.Close()
			if !errors.Is(err, ssl.ErrTooLarge) {
				t.Fatal(err)
			}
			return
		}
		srv.SessionCache.Put(s)
		a, b := net.Pipe()
		c, err := ssl.Client(a, cctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetSession(offer); err != nil {
			t.Fatal(err)
		}
		client, server, reused := fuzzMeet(t, c, b, sctx)
		if !reused && server != nil && client != nil && !isTimeout(server) && !isTimeout(client) {
			t.Errorf("what cannot be resumed is to be a full handshake: %v, %v", client, server)
		}
	})
}

// FuzzOfferedDER offers to a server whatever can be parsed as a session.
func FuzzOfferedDER(f *testing.F) {
	leakcheck.Test(f)
	sctx := newServerCtx(f, serverConfig(f))
	cctx := newClientCtx(f, copyOf(clientConfig(f), insecure))
	for _, der := range seeds(f) {
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		s, err := ssl.ParseSession(der)
		if err != nil {
			return
		}
		defer s.Close()
		a, b := net.Pipe()
		c, err := ssl.Client(a, cctx)
		if err != nil {
			t.Fatal(err)
		}
		if c.SetSession(s) != nil {
			c.Close()
			b.Close()
			return
		}
		c.EarlyDataTerms()
		if _, _, reused := fuzzMeet(t, c, b, sctx); reused {
			t.Error("resumed, by a server that has never seen it")
		}
	})
}
