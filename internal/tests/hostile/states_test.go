package hostile_test

import (
	"crypto/tls"
	"reflect"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

func TestConnMethodsAreKnown(t *testing.T) {
	for m := range reflect.TypeFor[*ssl.Conn]().Methods() {
		if _, ok := ssltest.ConnMethods[m.Name]; !ok {
			t.Errorf("connMethods does not say whether Conn.%s may be called at any moment", m.Name)
		}
	}
}

// All methods may be called while a handshake of any kind is under way, at both ends, and after
// whatever the peer has made of it.
func TestMethodsBesideHandshake(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		other := *srv
		other.CurvePreferences = []tls.CurveID{tls.CurveP521}
		strange := ssltest.NewServerCtx(t, &other) // asks for another group, and does not know the session
		s := ssltest.EarlySession(t, cctx, sctx)
		for name, sctx := range map[string]*ssl.Ctx{"resumed": sctx, "declined": strange} {
			p := ssltest.EarlyPair(t, cctx, sctx, s)
			stopClient, stopServer := ssltest.Hammer(t, p.Client), ssltest.Hammer(t, p.Server)
			p.MustShake(t)
			p.Echo(t)
			if reused := p.Client.SessionReused(); reused != (name == "resumed") {
				t.Errorf("%s: reused is %t", name, reused)
			}
			p.CloseBoth()
			stopClient()
			stopServer()
		}
	})
}

// The same where the peer breaks off at some byte, or sends something else.
func TestMethodsBesideHarm(t *testing.T) {
	for _, how := range []harm{cut, flip, garbage} {
		forEachVictim(t, func(t *testing.T, cli, srv *ssl.Ctx, v ssltest.Victim, total int) {
			for at := 0; at < total-maxSlack; at += 97 * stride() {
				a, b := ssltest.TCPPipe(t)
				w := &tampered{at: at, how: how, silent: make(chan struct{})}
				ends := [2]*ssl.Conn{}
				if v == ssltest.ClientEnd {
					w.Conn = a
					p := ssltest.NewPair(t, cli, srv, w, b)
					ends = [2]*ssl.Conn{p.Client, p.Server}
				} else {
					w.Conn = b
					p := ssltest.NewPair(t, cli, srv, a, w)
					ends = [2]*ssl.Conn{p.Client, p.Server}
				}
				stop := ssltest.Hammer(t, ends[v])
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
