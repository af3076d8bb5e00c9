package ssl_test

import (
	"context"
	"crypto/tls"
	"reflect"
	"sync"
	"testing"

	"sessl/ssl"
)

// What can be asked of a Conn at any moment, by any goroutine. Methods that move bytes have tests
// of their own: they are nil.
var connMethods = map[string]func(*ssl.Conn){
	"Close": nil, "CloseWrite": nil, "Handshake": nil, "HandshakeContext": nil, "IssueTicket": nil, "KeyUpdate": nil,
	"Read": nil, "ReadEarlyData": nil, "ReadFrom": nil, "RequestClientCertificate": nil,
	"Write": nil, "WriteEarlyData": nil, "WriteTo": nil,

	"SetDeadline": nil, "SetReadDeadline": nil, "SetWriteDeadline": nil, // no C
	"SetSession": nil, "SetSharedSession": nil, "UseSessionCache": nil, // before the handshake
	"SetMaxEarlyData": nil, "SetNextProtos": nil, "SetNotResumable": nil, "SetNumTickets": nil, "SetPSKIdentityHint": nil,
	"SetSessionIDContext": nil, "SetSkipEarlyData": nil,

	"ConnectionState": func(c *ssl.Conn) { c.ConnectionState() },
	"EarlyDataStatus": func(c *ssl.Conn) { c.EarlyDataStatus() },
	"EarlyDataTerms":  nil, // waits for the handshake
	"ExportEarlyKeyingMaterial": func(c *ssl.Conn) {
		c.ExportEarlyKeyingMaterial("label", []byte("context"), 32)
	},
	"ExportKeyingMaterial": func(c *ssl.Conn) { c.ExportKeyingMaterial("label", []byte("context"), 32) },
	"GoString":             func(c *ssl.Conn) { _ = c.GoString() },
	"HandshakeComplete":    func(c *ssl.Conn) { c.HandshakeComplete() },
	"LocalAddr":            func(c *ssl.Conn) { c.LocalAddr() },
	"LogValue":             func(c *ssl.Conn) { c.LogValue() },
	"MaxEarlyData":         func(c *ssl.Conn) { c.MaxEarlyData() },
	"NetConn":              func(c *ssl.Conn) { c.NetConn() },
	"NumTickets":           func(c *ssl.Conn) { c.NumTickets() },
	"Pending":              func(c *ssl.Conn) { c.Pending() },
	"RemoteAddr":           func(c *ssl.Conn) { c.RemoteAddr() },
	"ReuseState":           func(c *ssl.Conn) { c.ReuseState() },
	"Session": func(c *ssl.Conn) {
		if s, err := c.Session(); err == nil {
			s.Close()
		}
	},
	"SessionOffered": func(c *ssl.Conn) { c.SessionOffered() },
	"SessionReused":  func(c *ssl.Conn) { c.SessionReused() },
	"SetTicketData":  func(c *ssl.Conn) { c.SetTicketData([]byte("data")) },
	"SkipEarlyData":  func(c *ssl.Conn) { c.SkipEarlyData() },
	"String":         func(c *ssl.Conn) { _ = c.String() },
	"WithSession": func(c *ssl.Conn) {
		c.WithSession(func(s *ssl.BorrowedSession) error { _, err := s.MarshalBinary(); return err })
	},
}

func TestConnMethodsAreKnown(t *testing.T) {
	for m := range reflect.TypeFor[*ssl.Conn]().Methods() {
		if _, ok := connMethods[m.Name]; !ok {
			t.Errorf("connMethods does not say whether Conn.%s may be called at any moment", m.Name)
		}
	}
}

// hammer calls all of them from another goroutine until stop is called.
func hammer(t testing.TB, c *ssl.Conn) (stop func()) {
	t.Helper()
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	begun := make(chan struct{})
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			for _, call := range connMethods {
				if call != nil {
					call(c)
				}
			}
			if i == 0 {
				close(begun)
			}
		}
	})
	<-begun
	return func() {
		cancel()
		wg.Wait()
	}
}

// All methods may be called while a handshake of any kind is under way, at both ends, and after
// whatever the peer has made of it.
func TestMethodsBesideHandshake(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
		other := *srv
		other.CurvePreferences = []tls.CurveID{tls.CurveP521}
		strange := newServerCtx(t, &other) // asks for another group, and does not know the session
		s := earlySession(t, cctx, sctx)
		for name, sctx := range map[string]*ssl.Ctx{"resumed": sctx, "declined": strange} {
			p := earlyPair(t, cctx, sctx, s)
			stopClient, stopServer := hammer(t, p.client), hammer(t, p.server)
			p.mustShake(t)
			p.echo(t)
			if reused := p.client.SessionReused(); reused != (name == "resumed") {
				t.Errorf("%s: reused is %t", name, reused)
			}
			p.closeBoth()
			stopClient()
			stopServer()
		}
	})
}

// The same where the peer breaks off at some byte, or sends something else.
func TestMethodsBesideHarm(t *testing.T) {
	for _, how := range []harm{cut, flip, garbage} {
		forEachVictim(t, func(t *testing.T, cli, srv *ssl.Ctx, v victim, total int) {
			for at := 0; at < total-maxSlack; at += 97 * stride() {
				a, b := tcpPipe(t)
				w := &tampered{at: at, how: how, silent: make(chan struct{})}
				ends := [2]*ssl.Conn{}
				if v == clientEnd {
					w.Conn = a
					p := newPair(t, cli, srv, w, b)
					ends = [2]*ssl.Conn{p.client, p.server}
				} else {
					w.Conn = b
					p := newPair(t, cli, srv, a, w)
					ends = [2]*ssl.Conn{p.client, p.server}
				}
				stop := hammer(t, ends[v])
				done := make(chan struct{})
				go func() {
					defer close(done)
					converse(ends[1], false)
				}()
				converse(ends[0], true)
				<-done
				stop()
			}
		})
	}
}
