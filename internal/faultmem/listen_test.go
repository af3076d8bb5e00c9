package faultmem_test

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"testing"

	"sessl/internal/faultmem"
	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// queue is a listener that accepts the connections in it, and then ends.
type queue struct {
	net.Listener
	conns []net.Conn
}

func (q *queue) Accept() (net.Conn, error) {
	if len(q.conns) == 0 {
		return nil, io.EOF
	}
	c := q.conns[0]
	q.conns = q.conns[1:]
	return c, nil
}

func (q *queue) Close() error { return nil }

// A server without memory for one connection drops that one, and goes on to serve.
func TestAcceptOutOfMemory(t *testing.T) {
	leakcheck.Test(t)
	warmUp(t)
	l := newLink(t, ssl.VersionTLS13, setup{})
	q := &queue{}
	for range 2 {
		a, b := pipe()
		defer a.Close()
		q.conns = append(q.conns, b)
	}
	dropped := q.conns[0]
	var err error
	res := faultmem.Run(1, faultmem.Once, func() { _, err = ssl.NewListener(q, l.server).Accept() })
	var passing net.Error
	var cause *ssl.Error // OpenSSL does not always say that memory was the cause
	//lint:ignore SA1019 net/http calls it
	if !res.Failed || !errors.As(err, &cause) || !errors.As(err, &passing) || !passing.Temporary() ||
		passing.Timeout() {
		t.Errorf("Accept: %v (%T)", err, err)
	}
	if _, err := dropped.Write([]byte("x")); err == nil {
		t.Error("the connection is still open")
	}
	a, b := pipe()
	defer a.Close()
	q.conns = append([]net.Conn{b}, q.conns...)
	srv := &http.Server{ErrorLog: log.New(io.Discard, "", 0)}
	faultmem.Run(1, faultmem.Once, func() { err = srv.Serve(ssl.NewListener(q, l.server)) })
	srv.Close()
	if !errors.Is(err, io.EOF) || len(q.conns) != 0 {
		t.Errorf("Serve has left %d connections: %v", len(q.conns), err)
	}
}
