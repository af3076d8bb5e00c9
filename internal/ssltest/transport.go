package ssltest

import (
	"encoding/asn1"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"sessl/ssl"
)

// ReadUntil reads text, byte for byte, and returns at its end.
func ReadUntil(c *ssl.Conn, text string) error {
	buf := make([]byte, len(text))
	if _, err := io.ReadFull(c, buf); err != nil {
		return err
	}
	if string(buf) != text {
		return errors.New("read " + string(buf))
	}
	return nil
}

// Noise is n bytes that are never the same from one place to another.
func Noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// OneByte is a net.Conn that moves one byte a call.
type OneByte struct{ net.Conn }

// Read takes one byte at most.
func (c OneByte) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(1, len(p))]) }

// Plain hides the type of a net.Conn, so that the Conn over it moves bytes through Read
// and Write; over a *net.TCPConn it uses the socket itself.
type Plain struct{ net.Conn }

// HeldBack is a client's end of a TCP connection, which lets nothing in once the client has sent its
// second flight, until Let is closed.
type HeldBack struct {
	*net.TCPConn
	Let    chan struct{}
	writes int
}

// Write counts.
func (c *HeldBack) Write(b []byte) (int, error) {
	c.writes++
	return c.TCPConn.Write(b)
}

// Read waits from the second flight on.
func (c *HeldBack) Read(b []byte) (int, error) {
	if c.writes >= 2 {
		<-c.Let
	}
	return c.TCPConn.Read(b)
}

// TCPPipe is a connection over loopback; both ends are closed with the test.
func TCPPipe(t testing.TB) (client, server net.Conn) {
	t.Helper()
	client, server, err := Loopback()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	if PlainTCP {
		return Plain{client}, Plain{server}
	}
	return client, server
}

// Loopback is TCPPipe without cleanups, for loops and for goroutines: the Conns over it close
// their ends.
func Loopback() (client, server net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	if server, err = l.Accept(); err != nil {
		client.Close()
	}
	return client, server, err
}

// OnlyReader hides the WriteTo of a Reader, which io.Copy would prefer.
type OnlyReader struct{ io.Reader }

// DeadConn says how often it was closed.
type DeadConn struct {
	net.Conn
	Closed int
}

// Close counts.
func (c *DeadConn) Close() error { c.Closed++; return c.Conn.Close() }

// ReplaceTicket puts a ticket in the place of the one in der: the element [10].
func ReplaceTicket(t testing.TB, der, ticket []byte) []byte {
	t.Helper()
	encode := func(v asn1.RawValue) []byte {
		b, err := asn1.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var whole, element asn1.RawValue
	if _, err := asn1.Unmarshal(der, &whole); err != nil {
		t.Fatal(err)
	}
	var body []byte
	found := false
	for rest := whole.Bytes; len(rest) > 0; {
		var err error
		if rest, err = asn1.Unmarshal(rest, &element); err != nil {
			t.Fatal(err)
		}
		one := element.FullBytes
		if element.Class == asn1.ClassContextSpecific && element.Tag == 10 {
			found = true
			octets := encode(asn1.RawValue{Tag: asn1.TagOctetString, Bytes: ticket})
			one = encode(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 10, IsCompound: true, Bytes: octets})
		}
		body = append(body, one...)
	}
	if !found {
		t.Fatal("the session has no ticket")
	}
	return encode(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: body})
}

// Listen is a listener on loopback, closed with the test.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TimedPipe is TCPPipe with deadlines.
func TimedPipe(t testing.TB) (client, server net.Conn) {
	t.Helper()
	client, server = TCPPipe(t)
	for _, c := range []net.Conn{client, server} {
		c.SetDeadline(time.Now().Add(Timeout))
	}
	return client, server
}
