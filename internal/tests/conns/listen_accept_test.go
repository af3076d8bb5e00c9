package conns_test

import (
	"errors"
	"net"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// givenListener accepts what it is given.
type givenListener struct {
	net.Listener
	accept func() (net.Conn, error)
}

func (l givenListener) Accept() (net.Conn, error) { return l.accept() }

// A Ctx that is closed while Accept waits ends the listener: it is no failure of one connection.
func TestAcceptOfAClosedCtx(t *testing.T) {
	leakcheck.Test(t)
	ctx := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	a, b := net.Pipe()
	defer a.Close()
	l := ssl.NewListener(givenListener{accept: func() (net.Conn, error) { return b, ctx.Close() }}, ctx)
	c, err := l.Accept()
	//lint:ignore SA1019 net/http asks it
	if e, ok := err.(net.Error); c != nil || !errors.Is(err, net.ErrClosed) || ok && e.Temporary() {
		t.Errorf("Accept: %v, %v", c, err)
	}
	if _, err := b.Write(nil); err == nil {
		t.Error("the connection is still open")
	}
	l = ssl.NewListener(givenListener{accept: func() (net.Conn, error) { return nil, nil }},
		ssltest.NewServerCtx(t, ssltest.ServerConfig(t)))
	if c, err := l.Accept(); c != nil || !errors.Is(err, ssl.ErrNil) {
		t.Errorf("Accept of nothing: %v, %v", c, err)
	}
}
