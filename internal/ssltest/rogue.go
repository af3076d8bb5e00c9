package ssltest

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sessl/ssl"
)

// Rogue is a TLS 1.3 client that sends any records it likes once its handshake, by
// crypto/tls, is over.
type Rogue struct {
	net.Conn
	*Keys
	Taken atomic.Int64 // bytes of a flood
}

// RogueAgainst is a Rogue at one end of a wire, a, and a server of ctx at the other. The server has
// ended its handshake, and has a deadline; the caller closes it.
func RogueAgainst(t *testing.T, w Wire, ctx *ssl.Ctx) (a net.Conn, c *ssl.Conn, r *Rogue) {
	t.Helper()
	a, b := w.Pipe(t)
	c, err := ssl.Server(b, ctx)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(Timeout))
	return a, c, NewRogue(t, a, c)
}

// NewRogue does the handshake with c.
func NewRogue(t *testing.T, raw net.Conn, c *ssl.Conn) *Rogue {
	t.Helper()
	var log bytes.Buffer
	peer := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13,
		KeyLogWriter: &log})
	done := make(chan error)
	go func() { done <- c.Handshake() }()
	if err := peer.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if id := peer.ConnectionState().CipherSuite; id != tls.TLS_AES_128_GCM_SHA256 {
		t.Fatalf("cipher suite %#x", id)
	}
	return &Rogue{Conn: raw, Keys: NewKeys(LoggedSecret(log.String(), ClientTraffic))}
}

// Flood sends n times what next makes.
func (r *Rogue) Flood(n int, next func() []byte) error {
	for range n {
		done, err := r.Write(next())
		r.Taken.Add(int64(done))
		if err != nil {
			return err
		}
	}
	return nil
}

// Record encrypts one.
func (r *Rogue) Record(kind byte, content []byte) []byte { return r.Seal(kind, content, 0) }

// KeyUpdates are n requests for new keys, each of which must be answered by one.
func (r *Rogue) KeyUpdates(n int) []byte {
	var out []byte
	for range n {
		out = append(out, r.Record(TypeHandshake, []byte{24, 0, 0, 1, 1})...)
		r.Update()
	}
	return out
}

// MidwayServer is a server Conn that is in the middle of a message from its peer, and a
// function that sends the rest and some data. One Read is under way, or none is.
func MidwayServer(t *testing.T, w Wire, ctx *ssl.Ctx, reads bool) (c *ssl.Conn, r *Rogue, rest func(),
	done func()) {
	t.Helper()
	a, c, r := RogueAgainst(t, w, ctx)
	data := r.Record(TypeData, []byte("ping"))
	first, second := r.HalfKeyUpdate()
	after := r.Record(TypeData, []byte("pong"))
	go r.Write(append(data, first...))
	// A large buffer, so that the Read goes on after the data and meets the message.
	if n, err := c.Read(make([]byte, 64)); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	read, drained := make(chan error, 1), make(chan struct{})
	if reads {
		go func() { read <- ReadUntil(c, "pong") }()
		w.Parked(t)
	}
	go func() {
		defer close(drained)
		io.Copy(io.Discard, a)
	}()
	rest = func() { r.Write(append(second, after...)) }
	done = func() {
		if reads {
			if err := <-read; err != nil && !IsClosed(err) {
				t.Error(err)
			}
		}
		c.Close()
		a.Close()
		<-drained
	}
	return c, r, rest, done
}

// FloodedClient is a client that has got "ping" and, with midway, a part of a ticket.
func FloodedClient(t *testing.T, a, b net.Conn, cctx *ssl.Ctx, srv *ssl.Config, midway bool) (c *ssl.Conn,
	r *Rogue, rest []byte) {
	t.Helper()
	c, err := ssl.Client(a, cctx)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(Timeout))
	r, _ = NewRogueServer(t, b, c, srv)
	data := r.Record(TypeData, []byte("ping"))
	if midway {
		m := NewTicket(0, 0, 32)
		data = append(data, r.Record(TypeHandshake, m[:4])...)
		rest = r.Record(TypeHandshake, m[4:])
	}
	go r.Write(data)
	if n, err := c.Read(make([]byte, 64)); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	return c, r, rest
}

// BrokenConn is a net.Conn whose writes fail when it is broken.
type BrokenConn struct {
	net.Conn
	Broken atomic.Bool
	Tries  atomic.Int32 // writes that have failed
}

// Write fails from when the connection is broken.
func (c *BrokenConn) Write(b []byte) (int, error) {
	if c.Broken.Load() {
		c.Tries.Add(1)
		return 0, syscall.EPIPE
	}
	return c.Conn.Write(b)
}

// HalfKeyUpdate is the header of a KeyUpdate in a record, the rest in another.
func (r *Rogue) HalfKeyUpdate() (first, second []byte) {
	first, second = r.Record(TypeHandshake, []byte{24, 0, 0, 1}), r.Record(TypeHandshake, []byte{0})
	r.Update()
	return first, second
}

// Tickets are records with n tickets of that length, numbered from 1.
func (r *Rogue) Tickets(n, length int) (out []byte) {
	for i := range n {
		for m := NewTicket(uint32(i+1), 0, length); len(m) > 0; {
			k := min(len(m), 1<<14)
			out = append(out, r.Record(TypeHandshake, m[:k])...)
			m = m[k:]
		}
	}
	return out
}
