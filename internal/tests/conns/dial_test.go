package conns_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// The field that DialTLSContext is made for.
var _ = http.Transport{DialTLSContext: new(ssl.Dialer).DialTLSContext}

func TestDialerResumes(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		cli.ServerName = "" // taken from the address
		box := ssltest.NewInbox(t, cli)
		s := ssltest.StartServer(t, srv)
		d := ssl.Dialer{Ctx: ssltest.NewClientCtx(t, cli)}
		_, port, _ := net.SplitHostPort(s.Addr)
		addr := net.JoinHostPort("localhost", port)
		var offer *ssl.Session
		for _, want := range []bool{false, true} {
			c, err := d.DialSession(t.Context(), "tcp", addr, offer)
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(ssltest.Timeout))
			ssltest.RoundTrip(t, c)
			if got := c.ConnectionState(); got.ServerName != "localhost" || got.DidResume != want {
				t.Errorf("server name %q, resumed %t, want localhost, %t", got.ServerName, got.DidResume, want)
			}
			if got := s.LastReused(); got != want {
				t.Errorf("the server says resumed: %t, want %t", got, want)
			}
			c.Close()
			offer = box.Last(t)
		}
	})
}

// silent accepts one connection, and calls seen when the client has sent something. It
// returns a channel that has the error that ended the connection.
func silent(t *testing.T, seen func()) (addr string, ended <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	done := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(ssltest.Timeout))
		c.Read(make([]byte, 1))
		seen()
		_, err = io.Copy(io.Discard, c)
		done <- err
	}()
	return l.Addr().String(), done
}

// The limits of the net.Dialer and of the context go on after the connection underneath.
func TestDialerLimitsCoverTheHandshake(t *testing.T) {
	const soon = 100 * time.Millisecond
	for _, tc := range []struct {
		name   string
		dialer func() *net.Dialer
		ends   bool // the context ends once the server has seen something
		want   error
	}{
		{"Timeout", func() *net.Dialer { return &net.Dialer{Timeout: soon} }, false, context.DeadlineExceeded},
		{"Deadline", func() *net.Dialer { return &net.Dialer{Deadline: time.Now().Add(soon)} }, false,
			context.DeadlineExceeded},
		{"context", func() *net.Dialer { return nil }, true, context.Canceled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			leakcheck.Test(t)
			ctx, cancel := context.WithTimeoutCause(t.Context(), ssltest.Timeout,
				errors.New("the handshake was not bounded"))
			defer cancel()
			seen := func() {}
			if tc.ends {
				seen = cancel
			}
			addr, ended := silent(t, seen)
			d := ssl.Dialer{NetDialer: tc.dialer(), Ctx: ssltest.NewClientCtx(t, ssltest.ClientConfig(t))}
			c, err := d.DialContext(ctx, "tcp", addr)
			// A net.Dialer whose time is over before its socket is connected says it in words of its own.
			late := tc.want == context.DeadlineExceeded && errors.Is(err, os.ErrDeadlineExceeded)
			if c != nil || !errors.Is(err, tc.want) && !late {
				t.Fatalf("%v, %v, want %v", c, err, tc.want)
			}
			var ne net.Error
			if !errors.As(err, &ne) || ne.Timeout() != (tc.want == context.DeadlineExceeded) {
				t.Errorf("%v: Timeout() is wrong", err)
			}
			if err := <-ended; ssltest.IsTimeout(err) {
				t.Errorf("the connection underneath was left open: %v", err)
			}
		})
	}
}

// A peer that fails verification leaves no connection, and no *Conn in the interface.
func TestDialerFailedHandshake(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.StartServer(t, ssltest.ServerConfig(t))
	d := ssl.Dialer{Ctx: ssltest.NewClientCtx(t, &ssl.Config{RootCAs: ssltest.Roots(t, "other-ca"),
		ServerName: "localhost"})}
	before := ssl.ReadCounters().Conns
	c, err := d.DialTLSContext(t.Context(), "tcp", s.Addr)
	if c != nil || ssltest.VerifyCode(err) == 0 {
		t.Errorf("%v, %v, want nil and a VerificationError", c, err)
	}
	if closed := ssl.ReadCounters().Conns.Closed; closed == before.Closed {
		t.Error("the Conn was not closed")
	}
}

func TestDialerUsesItsNetDialer(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.StartServer(t, ssltest.ServerConfig(t))
	var attempts atomic.Int32
	nd := &net.Dialer{Control: func(string, string, syscall.RawConn) error { attempts.Add(1); return nil }}
	client := ssltest.NewClientCtx(t, ssltest.ClientConfig(t))
	closed := ssltest.NewClientCtx(t, ssltest.ClientConfig(t))
	closed.Close()
	d := &ssl.Dialer{NetDialer: nd, Ctx: client}
	c, err := d.DialTLSContext(t.Context(), "tcp4", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if n := attempts.Load(); n != 1 {
		t.Fatalf("Control was called %d times", n)
	}
	dial := func(d *ssl.Dialer, ctx context.Context, network, addr string) error {
		return ssltest.ErrorAlone(d.DialContext(ctx, network, addr))
	}
	ctx := t.Context()
	ssltest.RefusesAll(t, []ssltest.Refusal{
		{"nil Dialer", dial(nil, ctx, "tcp", s.Addr), ssl.ErrNil},
		{"nil context", dial(d, nil, "tcp", s.Addr), ssl.ErrNil},
		{"no Ctx", dial(&ssl.Dialer{NetDialer: nd}, ctx, "tcp", s.Addr), ssl.ErrNil},
		{"closed Ctx", dial(&ssl.Dialer{NetDialer: nd, Ctx: closed}, ctx, "tcp", s.Addr), ssl.ErrClosed},
		{"server's Ctx", dial(&ssl.Dialer{NetDialer: nd, Ctx: s.Ctx}, ctx, "tcp", s.Addr), ssl.ErrServer},
	})
	var network net.UnknownNetworkError
	if err := dial(d, ctx, "udp", s.Addr); !errors.As(err, &network) {
		t.Errorf("udp: %v", err)
	}
	var addr *net.AddrError
	if err := dial(d, ctx, "tcp", "localhost"); !errors.As(err, &addr) {
		t.Errorf("no port: %v", err)
	}
	if n := attempts.Load(); n != 1 {
		t.Errorf("what cannot work made %d connections", n-1)
	}
}

// A session that the Ctx does not take ends the call, and the connection with it.
func TestDialerRefusedSession(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.StartServer(t, ssltest.ServerConfig(t))
	empty, err := ssl.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	d := ssl.Dialer{Ctx: ssltest.NewClientCtx(t, ssltest.ClientConfig(t))}
	before := ssl.ReadCounters().Conns
	if c, err := d.DialSession(t.Context(), "tcp", s.Addr, empty); c != nil || !errors.Is(err,
		ssl.ErrNotResumable) {
		t.Errorf("%v, %v, want ErrNotResumable", c, err)
	}
	if closed := ssl.ReadCounters().Conns.Closed; closed == before.Closed {
		t.Error("the Conn was not closed")
	}
}

// Over a Unix socket the name comes from the Ctx alone.
func TestDialerUnix(t *testing.T) {
	leakcheck.Test(t)
	inner, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	l := ssl.NewListener(inner, ssltest.NewServerCtx(t, ssltest.ServerConfig(t)))
	defer l.Close()
	if l.Addr() != inner.Addr() {
		t.Errorf("address %v, want %v", l.Addr(), inner.Addr())
	}
	done := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			err = ssltest.EchoOnce(c.(*ssl.Conn))
			c.Close()
		}
		done <- err
	}()
	d := ssl.Dialer{Ctx: ssltest.NewClientCtx(t, ssltest.ClientConfig(t))}
	c, err := d.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(ssltest.Timeout))
	ssltest.RoundTrip(t, c)
	if err := <-done; err != nil {
		t.Error(err)
	}
	nameless := ssl.Dialer{Ctx: ssltest.NewClientCtx(t, &ssl.Config{RootCAs: ssltest.Roots(t, "ca")})}
	if c, err := nameless.Dial("unix", l.Addr().String()); c != nil || !errors.Is(err, ssl.ErrConfig) {
		t.Errorf("without a name: %v, %v, want ErrConfig", c, err)
	}
}

// What cannot serve is reported before a client is taken from the queue.
func TestNewListenerRefuses(t *testing.T) {
	leakcheck.Test(t)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	server := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	accept := func(l net.Listener, ctx *ssl.Ctx) error {
		return ssltest.ErrorAlone(ssl.NewListener(l,
			ctx).Accept())
	}
	ssltest.RefusesAll(t, []ssltest.Refusal{
		{"nil listener", accept(nil, server), ssl.ErrNil},
		{"Close of nil", ssl.NewListener(nil, server).Close(), ssl.ErrNil},
		{"nil Ctx", accept(inner, nil), ssl.ErrNil},
		{"client's Ctx", accept(inner, ssltest.NewClientCtx(t, ssltest.ClientConfig(t))), ssl.ErrClient},
	})
	server.Close()
	ssltest.RefusesAll(t, []ssltest.Refusal{{"closed Ctx", accept(inner, server), ssl.ErrClosed}})
	if addr := ssl.NewListener(nil, server).Addr(); addr != nil {
		t.Errorf("the address of nothing is %v", addr)
	}
}
