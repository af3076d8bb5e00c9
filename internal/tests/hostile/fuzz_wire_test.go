package hostile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// script is a connection whose peer has said all that it will say.
type script struct {
	net.Conn
	in *bytes.Reader
}

func (s script) Read(b []byte) (int, error) { return s.in.Read(b) }

func (s script) Write(b []byte) (int, error) { return len(b), nil }

func (s script) Close() error { return nil }

func (s script) SetDeadline(time.Time) error { return nil }

func (s script) SetReadDeadline(time.Time) error { return nil }

func (s script) SetWriteDeadline(time.Time) error { return nil }

func (s script) LocalAddr() net.Addr { return nil }

func (s script) RemoteAddr() net.Addr { return nil }

// recorded is what a client says first, with and without a session.
func recorded(t testing.TB, ctx *ssl.Ctx, offer *ssl.Session) []byte {
	t.Helper()
	r := &ssltest.Recorder{Conn: script{in: bytes.NewReader(nil)}}
	c, err := ssl.Client(r, ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ssltest.OfferNothing(t, c)
	if offer != nil {
		if err := c.SetSession(offer); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Handshake(); err == nil {
		t.Fatal("a handshake without a peer")
	}
	return r.Sent
}

// FuzzClientHello gives a server that looks at everything in a hello any first flight.
func FuzzClientHello(f *testing.F) {
	leakcheck.Test(f)
	keys, err := ssl.NewTicketKeys(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { keys.Close() })
	srv := ssltest.ServerConfig(f)
	srv.Certificates = append(srv.Certificates, ssltest.KeyPair(f, "server-rsa"))
	srv.NextProtos, srv.TicketKeys = []string{"h2", "http/1.1"}, keys
	srv.GetConfigForClient = func(h *ssl.ClientHelloInfo) (*ssl.Ctx, error) {
		h.SupportsCertificate(&srv.Certificates[0])
		return nil, nil
	}
	cached := ssltest.CopyOf(srv, func(c *ssl.Config) {
		c.TicketKeys, c.SessionCache = nil,
			ssltest.NewServerCache(f, nil)
	})
	sctxs := []*ssl.Ctx{ssltest.NewServerCtx(f, srv), ssltest.NewServerCtx(f, cached)}
	for _, v := range ssltest.Versions {
		cctx := ssltest.NewClientCtx(f, ssltest.CopyOf(ssltest.ClientConfig(f), func(c *ssl.Config) {
			c.MaxVersion,
				c.NextProtos = v, []string{"h2"}
		}))
		f.Add(recorded(f, cctx, nil))
		for _, sctx := range sctxs {
			p := ssltest.Meet(f, cctx, sctx, nil)
			f.Add(recorded(f, cctx, ssltest.SessionOf(f, p.Client)))
			p.CloseBoth()
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
	c.SetDeadline(time.Now().Add(ssltest.Timeout))
	s.SetDeadline(time.Now().Add(ssltest.Timeout))
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
	srv, cli := ssltest.ServerConfig(f), ssltest.ClientConfig(f)
	srv.MaxVersion, srv.SessionCache = ssl.VersionTLS12, ssltest.NewServerCache(f, nil)
	srv.ClientAuth, srv.ClientCAs, cli.Certificates = ssl.RequireAndVerifyClientCert, ssltest.Roots(f, "ca"),
		[]ssl.Certificate{ssltest.KeyPair(f, "client")}
	srv.MaxSessionAge = time.Hour
	box := ssltest.NewInbox(f, srv)
	sctx, cctx := ssltest.NewServerCtx(f, srv), ssltest.NewClientCtx(f, cli)
	p := ssltest.Meet(f, cctx, sctx, nil)
	offer, made := ssltest.SessionOf(f, p.Client), box.Last(f)
	p.CloseBoth()
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
		if !reused && server != nil && client != nil && !ssltest.IsTimeout(server) && !ssltest.IsTimeout(client) {
			t.Errorf("what cannot be resumed is to be a full handshake: %v, %v", client, server)
		}
	})
}

// FuzzOfferedDER offers to a server whatever can be parsed as a session.
func FuzzOfferedDER(f *testing.F) {
	leakcheck.Test(f)
	sctx := ssltest.NewServerCtx(f, ssltest.ServerConfig(f))
	cctx := ssltest.NewClientCtx(f, ssltest.CopyOf(ssltest.ClientConfig(f), ssltest.Insecure))
	for _, der := range ssltest.Seeds(f) {
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
