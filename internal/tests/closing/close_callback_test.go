package closing_test

import (
	"io"
	"sync/atomic"
	"testing"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// OnNewSession may use the Conn in any way, also when it is Close that calls it: nothing
// that it calls waits for the call that it was called from.
func TestCallbackUsesConn(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		for _, when := range []string{"Read", "Close"} {
			var calls atomic.Int32
			cli.OnNewSession = func(c *ssl.Conn, s *ssl.Session) {
				defer s.Close()
				calls.Add(1)
				c.SetDeadline(time.Now().Add(ssltest.Timeout))
				c.Handshake()
				c.SessionReused()
				c.SessionOffered()
				c.SetSession(s)
				if now, err := c.Session(); err == nil {
					now.Close()
				}
				c.WithSession(func(b *ssl.BorrowedSession) error { _, err := b.ID(); return err })
				c.Write([]byte("x"))
				if when == "Close" && cli.MaxVersion == ssl.VersionTLS13 {
					c.Read(make([]byte, 1)) // the Conn is closed: it must not wait
				}
				c.CloseWrite()
			}
			ssltest.ForEachWire(t, func(t *testing.T, w ssltest.Wire) {
				p := w.Pair(t, cli, srv)
				served := make(chan struct{})
				go func() {
					defer close(served)
					if when == "Read" {
						p.Server.Write([]byte("hello"))
					}
					io.Copy(io.Discard, p.Server)
					p.Server.Close()
				}()
				if when == "Read" {
					p.Client.Read(make([]byte, 5))
				} else {
					p.Client.Write([]byte("x"))
				}
				p.Client.Close()
				<-served
			})
			if calls.Load() == 0 {
				t.Errorf("%s: OnNewSession was not called", when)
			}
		}
	})
}

// OnNewSession may close the Conn; the call that it came from returns what it had by then.
func TestCloseInCallback(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		var calls atomic.Int32
		cli.OnNewSession = func(c *ssl.Conn, s *ssl.Session) {
			defer s.Close()
			calls.Add(1)
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if ok, err := s.Resumable(); !ok || err != nil {
				t.Errorf("resumable is %t, %v", ok, err)
			}
		}
		ssltest.ForEachWire(t, func(t *testing.T, w ssltest.Wire) {
			p := w.Pair(t, cli, srv)
			served := make(chan struct{})
			go func() {
				defer close(served)
				p.Server.Write([]byte("hello"))
				io.Copy(io.Discard, p.Server)
				p.Server.Close()
			}()
			if n, err := p.Client.Read(make([]byte, 5)); n == 0 && !ssltest.IsClosed(err) {
				t.Errorf("Read: %v", err)
			}
			if _, err := p.Client.Read(make([]byte, 5)); !ssltest.IsClosed(err) {
				t.Errorf("the next Read: %v", err)
			}
			<-served
		})
		if calls.Load() == 0 {
			t.Error("OnNewSession was not called")
		}
	})
}
