package fleet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"sessl/internal/ssltest"
	"sessl/interop/visits"
	"sessl/ssl"
)

// The kinds of clients.
const (
	ours13   = "sessl TLS 1.3"
	ours12   = "sessl TLS 1.2"
	ids12    = "sessl TLS 1.2, ids only"
	theirs13 = "crypto/tls TLS 1.3"
	theirs12 = "crypto/tls TLS 1.2"
)

// kindsOf are the clients that can resume what a fleet shares: crypto/tls knows no ids, and in TLS 1.2
// there are no sessions without them; who knows only ids cannot take tickets.
func kindsOf(share string) []string {
	if share == "sessions" {
		return []string{ours13, ours12, ids12, theirs13}
	}
	return []string{ours13, ours12, theirs13, theirs12}
}

// A client keeps its sessions from one visit to the next.
type client struct {
	kind string
	addr string
	anew bool // a visit that dies with its machine is made again, as HTTP clients do with a GET

	dial func(ctx context.Context, addr string) (net.Conn, bool, error) // and whether it was resumed
}

func newClient(t *testing.T, kind, port string) *client {
	t.Helper()
	c := &client{kind: kind, addr: "127.0.0.1:" + port}
	switch kind {
	case theirs12, theirs13:
		c.dial = dialStd(t, map[string]uint16{theirs12: tls.VersionTLS12, theirs13: tls.VersionTLS13}[kind])
	default:
		c.dial = dialOurs(t, kind)
	}
	return c
}

func dialOurs(t *testing.T, kind string) func(context.Context, string) (net.Conn, bool, error) {
	t.Helper()
	cfg := &ssl.Config{RootCAs: ssltest.Roots(t, "ca"), ServerName: "localhost",
		SessionTicketsDisabled: kind == ids12}
	if kind != ours13 {
		cfg.MaxVersion = ssl.VersionTLS12
	}
	ctx := ssltest.NewClientCtx(t, cfg)
	d := &ssl.Dialer{Ctx: ctx}
	return func(ctx context.Context, addr string) (net.Conn, bool, error) {
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, false, err
		}
		return c, c.SessionReused(), nil
	}
}

func dialStd(t *testing.T, version uint16) func(context.Context, string) (net.Conn, bool, error) {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ssltest.ReadFile(t, "ca.pem")) {
		t.Fatal("no root")
	}
	d := &tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: version,
		ClientSessionCache: tls.NewLRUClientSessionCache(1)}}
	return func(ctx context.Context, addr string) (net.Conn, bool, error) {
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, false, err
		}
		return c, c.(*tls.Conn).ConnectionState().DidResume, nil
	}
}

const request = visits.Request

// visit is one that a user sees.
func (c *client) visit() (v visit) {
	at := time.Now()
	if v = c.once(); c.anew && cut(v.err) {
		v = c.once()
		v.cut = true
	}
	v.at, v.took = at, time.Since(at)
	return v
}

// cut reports whether an error is the end of a connection whose other end has died.
func cut(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF)
}

// once connects, asks, reads the answer to its end, and closes.
func (c *client) once() (v visit) {
	v.kind = c.kind
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, resumed, err := c.dial(ctx, c.addr)
	if err != nil {
		v.err = err
		return v
	}
	defer conn.Close()
	v.full = !resumed
	conn.SetDeadline(time.Now().Add(patience))
	if _, v.err = io.WriteString(conn, request); v.err != nil {
		return v
	}
	if b, err := io.ReadAll(conn); err != nil || len(b) == 0 {
		v.err = err
		if err == nil {
			v.err = io.ErrUnexpectedEOF
		}
	}
	return v
}
