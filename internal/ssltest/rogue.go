package ssltest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"strings"
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
	Taken  atomic.Int64 // bytes of a flood
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

// NewRogue does the handshake with c.
func NewRogue(t *testing.T, raw net.Conn, c *ssl.Conn) *Rogue {
	t.Helper()
	var log bytes.Buffer
	peer := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, KeyLogWriter: &log})
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
	r := &Rogue{Conn: raw}
	for line := range strings.Lines(log.String()) {
		if f := strings.Fields(line); f[0] == "CLIENT_TRAFFIC_SECRET_0" {
			secret, err := hex.DecodeString(f[2])
			if err != nil {
				t.Fatal(err)
			}
			r.use(secret)
		}
	}
	return r
}

func (r *Rogue) use(secret []byte) {
	r.secret, r.iv, r.seq = secret, expand(secret, "iv", 12), 0
	block, err := aes.NewCipher(expand(secret, "key", 16))
	if err != nil {
		panic(err)
	}
	if r.aead, err = cipher.NewGCM(block); err != nil {
		panic(err)
	}
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
func (r *Rogue) Record(kind byte, content []byte) []byte {
	inner := append(bytes.Clone(content), kind)
	header := []byte{TypeData, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(header[3:], uint16(len(inner)+r.aead.Overhead()))
	nonce := bytes.Clone(r.iv)
	for i := range 8 {
		nonce[4+i] ^= byte(r.seq >> (56 - 8*i))
	}
	r.seq++
	return r.aead.Seal(header, nonce, inner, header)
}

// KeyUpdates are n requests for new keys, each of which must be answered by one.
func (r *Rogue) KeyUpdates(n int) []byte {
	var out []byte
	for range n {
		out = append(out, r.Record(TypeHandshake, []byte{24, 0, 0, 1, 1})...)
		r.use(expand(r.secret, "traffic upd", sha256.Size))
	}
	return out
}

// expand is HKDF-Expand-Label of RFC 8446, section 7.1, with an empty context.
func expand(secret []byte, label string, n int) []byte {
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(info, byte(len("tls13 "+label)))
	info = append(append(info, "tls13 "+label...), 0)
	out, err := hkdf.Expand(sha256.New, secret, string(info), n)
	if err != nil {
		panic(err)
	}
	return out
}

// Types of records: handshake, application data.
const (
	TypeHandshake = 22
	TypeData      = 23
)

// MidwayServer is a server Conn that is in the middle of a message from its peer, and a
// function that sends the rest and some data. One Read is under way, or none is.
func MidwayServer(t *testing.T, w Wire, ctx *ssl.Ctx, reads bool) (c *ssl.Conn, r *Rogue, rest func(), done func()) {
	t.Helper()
	a, b := w.Pipe(t)
	c, err := ssl.Server(b, ctx)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(Timeout))
	r = NewRogue(t, a, c)
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
func FloodedClient(t *testing.T, a, b net.Conn, cctx *ssl.Ctx, srv *ssl.Config, midway bool) (c *ssl.Conn, r *Rogue, rest []byte) {
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
	r.use(expand(r.secret, "traffic upd", sha256.Size))
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
