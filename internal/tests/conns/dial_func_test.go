package conns_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// backstage serves pipes, so that a Dialer needs no network at all.
func backstage(t testing.TB, sctx *ssl.Ctx) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		a, b := net.Pipe()
		s, err := ssl.Server(b, sctx)
		if err != nil {
			return nil, err
		}
		s.SetDeadline(time.Now().Add(ssltest.Timeout))
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer s.Close()
			io.Copy(s, s)
		}()
		t.Cleanup(func() { <-done })
		return a, nil
	}
}

// All ways of a Dialer go by its DialFunc, which is told what was asked for, and resume.
func TestDialFunc(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.NumTickets = 8
	cli.ServerName = ""
	sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
	type asked struct{ network, addr string }
	var last asked
	via := backstage(t, sctx)
	d := &ssl.Dialer{Ctx: cctx, DialFunc: func(ctx context.Context, network, addr string) (net.Conn, error) {
		last = asked{network, addr}
		return via(ctx, network, addr)
	}, NetDialer: &net.Dialer{Control: nil, LocalAddr: &net.UnixAddr{Name: "not used", Net: "unix"}}}
	for i, tc := range []struct {
		name string
		dial func(addr string) (*ssl.Conn, error)
	}{
		{"Dial", func(addr string) (*ssl.Conn, error) { return d.Dial("tcp", addr) }},
		{"DialContext", func(addr string) (*ssl.Conn, error) { return d.DialContext(t.Context(), "tcp", addr) }},
		{"DialTLSContext", func(addr string) (*ssl.Conn, error) {
			c, err := d.DialTLSContext(t.Context(), "tcp", addr)
			if err != nil {
				return nil, err
			}
			return c.(*ssl.Conn), nil
		}},
		{"DialEarly", func(addr string) (*ssl.Conn, error) {
			return d.DialEarly(t.Context(), "tcp", addr,
				[]byte("x"))
		}},
		{"Connect", func(addr string) (*ssl.Conn, error) { return d.Connect(t.Context(), "tcp", addr) }},
		{"DialContext again", func(addr string) (*ssl.Conn, error) {
			return d.DialContext(t.Context(), "tcp", addr)
		}},
	} {
		c, err := tc.dial("localhost:5432")
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		ssltest.RoundTrip(t, c)
		if want := (asked{"tcp", "localhost:5432"}); last != want {
			t.Errorf("%s: asked for %v", tc.name, last)
		}
		if got := c.ReuseState(); got.Resumed() != (i > 0) || c.ConnectionState().ServerName != "localhost" {
			t.Errorf("%s: %q, %q", tc.name, got, c.ConnectionState().ServerName)
		}
		c.Close()
	}
	c, err := d.DialContext(t.Context(), "memory", "localhost")
	if c != nil || !errors.Is(err, ssl.ErrConfig) {
		t.Errorf("an address without a host: %v, %v, want ErrConfig for the missing name", c, err)
	}
	c, err = d.DialContext(t.Context(), "memory", "localhost:77")
	if err != nil {
		t.Fatal(err)
	}
	ssltest.RoundTrip(t, c)
	c.Close()
	if last != (asked{"memory", "localhost:77"}) {
		t.Error(last)
	}
}

// What a DialFunc does wrong is an error that names the call, and leaves nothing open.
func TestDialFuncFails(t *testing.T) {
	leakcheck.Test(t)
	cctx := ssltest.NewClientCtx(t, ssltest.ClientConfig(t))
	mine := errors.New("no proxy")
	ctx, cancel := context.WithCancel(t.Context())
	var late *ssltest.DeadConn
	for _, tc := range []struct {
		name string
		dial func(context.Context, string, string) (net.Conn, error)
		want error
	}{
		{"an error", func(context.Context, string, string) (net.Conn, error) { return nil, mine }, mine},
		{"nothing", func(context.Context, string, string) (net.Conn, error) { return nil, nil }, ssl.ErrNil},
		{"nothing of a type", func(context.Context, string, string) (net.Conn, error) {
			return (*net.TCPConn)(nil),
				nil
		}, ssl.ErrNil},
		{"too late", func(context.Context, string, string) (net.Conn, error) {
			cancel()
			a, b := net.Pipe()
			b.Close()
			late = &ssltest.DeadConn{Conn: a}
			return late, nil
		}, context.Canceled},
	} {
		for name, dial := range map[string]func(d *ssl.Dialer) (*ssl.Conn, error){
			"DialContext": func(d *ssl.Dialer) (*ssl.Conn, error) { return d.DialContext(ctx, "tcp", "localhost:1") },
			"Connect":     func(d *ssl.Dialer) (*ssl.Conn, error) { return d.Connect(ctx, "tcp", "localhost:1") },
		} {
			c, err := dial(&ssl.Dialer{Ctx: cctx, DialFunc: tc.dial})
			var e *ssl.Error
			if c != nil || !errors.Is(err, tc.want) || !errors.As(err, &e) {
				t.Errorf("%s, %s: %v, %v, want %v", tc.name, name, c, err, tc.want)
				c.Close()
			}
		}
	}
	if late == nil || late.Closed == 0 {
		t.Error("a connection that came too late was left open")
	}
}

// The limits of the NetDialer hold for what a DialFunc does, too.
func TestDialFuncLimits(t *testing.T) {
	leakcheck.Test(t)
	for name, nd := range map[string]*net.Dialer{
		"Timeout": {Timeout: time.Millisecond}, "Deadline": {Deadline: time.Now().Add(time.Millisecond)},
	} {
		d := &ssl.Dialer{Ctx: ssltest.NewClientCtx(t, ssltest.ClientConfig(t)), NetDialer: nd,
			DialFunc: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, context.Cause(ctx)
			}}
		if _, err := d.Dial("tcp", "localhost:1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Where several things may be missing, the error says which it is.
func TestNilArgumentsAreNamed(t *testing.T) {
	leakcheck.Test(t)
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	cctx, ctx := ssltest.NewClientCtx(t, ssltest.ClientConfig(t)), t.Context()
	d := &ssl.Dialer{Ctx: cctx}
	nothing := &ssl.Dialer{Ctx: cctx, DialFunc: func(context.Context, string, string) (net.Conn, error) {
		return nil, nil
	}}
	dial := func(d *ssl.Dialer, ctx context.Context) error {
		return ssltest.ErrorOf(d.DialContext(ctx, "tcp", "localhost:1"))
	}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{ssltest.ErrorOf(ssl.Client(nil, cctx)), "Client: nil pointer: the net.Conn"},
		{ssltest.ErrorOf(ssl.Server(b, nil)), "Server: nil pointer: the Ctx"},
		{ssltest.ErrorOf(d.Client(ctx, nil, "tcp", "localhost:1")), "Dialer.Client: nil pointer: the net.Conn"},
		{ssltest.ErrorOf(ssl.NewListener(nil, cctx).Accept()), "Listener.Accept: nil pointer: the net.Listener"},
		{dial(nil, ctx), "nil pointer: the Dialer"},
		{dial(&ssl.Dialer{}, ctx), "nil pointer: the Dialer's Ctx"},
		{dial(d, nil), "nil pointer: the context"},
		{dial(nothing, ctx), "nil pointer: the net.Conn of DialFunc"},
	} {
		if !errors.Is(tt.err, ssl.ErrNil) || !strings.HasSuffix(tt.err.Error(), tt.want) {
			t.Errorf("%v, want %s", tt.err, tt.want)
		}
	}
}
