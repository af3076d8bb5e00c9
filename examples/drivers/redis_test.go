package drivers

import (
	"context"
	"errors"
	"maps"
	"syscall"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// startRedis starts a server that speaks TLS only.
func startRedis(t *testing.T) *program {
	p := newProgram(t, false)
	p.start(syscall.SIGTERM, "redis-server", "--port", "0", "--tls-port", p.port(), "--bind", "127.0.0.1",
		"--tls-cert-file", p.file("server-ecdsa.pem"), "--tls-key-file", p.file("server-ecdsa.key"),
		"--tls-auth-clients", "no", "--save", "", "--dir", p.dir)
	return p
}

func TestGoRedis(t *testing.T) {
	leakcheck.Test(t)
	p := startRedis(t)
	d := &ssl.Dialer{Ctx: clientCtx(t, "localhost")}
	c := goRedis(d, p.addr)
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// Each of these holds a connection of its own.
	for range 3 {
		conn := c.Conn()
		defer conn.Close()
		if err := conn.Set(ctx, "key", "value", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	wantResumed(t, d.Ctx, 3)

	// A deadline ends a call that the server does not answer.
	short, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	if err := c.BLPop(short, 0, "nothing").Err(); err == nil || ctx.Err() != nil {
		t.Errorf("%v, want an error after the deadline", err)
	}
}

func TestValkey(t *testing.T) {
	leakcheck.Test(t)
	p := startRedis(t)
	d := &ssl.Dialer{Ctx: clientCtx(t, "localhost")}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range 3 {
		c, err := valkeyClient(d, p.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Do(ctx, c.B().Set().Key("key").Value("value").Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := d.Ctx.Stats() // a client may open more connections than one, also at once
	if n := s.Handshakes[ssl.ReusedTicket]; err != nil || n < 2 || s.Failed > 0 {
		t.Errorf("handshakes %v, %d failed, %v, want two resumed at least", s.Handshakes, s.Failed, err)
	}

	// A deadline ends a call that the server does not answer.
	c, err := valkeyClient(d, p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	short, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	err = c.Do(short, c.B().Blpop().Key("nothing").Timeout(0).Build()).Error()
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want %v", err, context.DeadlineExceeded)
	}
}

// wantResumed wants that of a Ctx's handshakes only the first was a full one, and n-1 resumed a ticket.
func wantResumed(t *testing.T, ctx *ssl.Ctx, n uint64) {
	t.Helper()
	s, err := ctx.Stats()
	if err != nil {
		t.Fatal(err)
	}
	want := map[ssl.ReuseState]uint64{ssl.ReuseNoSession: 1, ssl.ReusedTicket: n - 1}
	if !maps.Equal(s.Handshakes, want) || s.Failed != 0 {
		t.Errorf("handshakes %v, %d failed, want %v", s.Handshakes, s.Failed, want)
	}
}
