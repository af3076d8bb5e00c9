package main

import (
	"errors"
	"io"
	"net"
	"testing"
)

// Connections that the kernel has accepted when a listener closes are served.
func TestClosedListenerIsDrained(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &draining{TCPListener: inner.(*net.TCPListener)}
	defer l.Close()
	const n = 3
	var clients [n]net.Conn
	for i := range clients {
		if clients[i], err = net.Dial("tcp", l.Addr().String()); err != nil {
			t.Fatal(err)
		}
		defer clients[i].Close()
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range clients {
		c, err := l.Accept()
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		if _, err := c.Write([]byte{byte(i)}); err != nil {
			t.Error(err)
		}
		c.Close()
	}
	for i, c := range clients {
		if b, err := io.ReadAll(c); err != nil || len(b) != 1 || b[0] != byte(i) {
			t.Errorf("client %d reads %v, %v", i, b, err)
		}
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("then Accept returns %v, want ErrClosed", err)
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a second Close returns %v, want ErrClosed", err)
	}
}
