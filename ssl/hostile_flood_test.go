package ssl_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// What is not TLS at all.
func TestHostileNoise(t *testing.T) {
	leakcheck.Test(t)
	for name, noise := range map[string]string{
		"HTTP":           "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"zeros":          string(make([]byte, 100)),
		"alert":          "\x15\x03\x03\x00\x02\x02\x28",
		"warning":        "\x15\x03\x03\x00\x02\x01\x00",
		"short alert":    "\x15\x03\x03\x00\x01\x02",
		"too long":       "\x16\x03\x03\xff\xff" + string(make([]byte, 1<<16)),
		"huge message":   "\x16\x03\x03\x00\x04\x02\xff\xff\xff",
		"early data":     "\x17\x03\x03\x00\x10" + string(make([]byte, 16)),
		"CCS":            "\x14\x03\x03\x00\x01\x01",
		"SSL 2":          "\x80\x2e\x01\x00\x02",
		"old version":    "\x16\x02\x00\x00\x04\x01\x00\x00\x00",
		"hello too soon": "\x16\x03\x03\x00\x04\x00\x00\x00\x00",
	} {
		cli, srv := newClientCtx(t, clientConfig(t)), newServerCtx(t, serverConfig(t))
		for _, v := range []victim{clientEnd, serverEnd} {
			forEachWire(t, func(t *testing.T, w wire) {
				a, b := w.pipe(t)
				made, ctx := ssl.Client, cli
				if v == serverEnd {
					made, ctx = ssl.Server, srv
				}
				c, err := made(a, ctx)
				if err != nil {
					t.Fatal(err)
				}
				heard := make(chan struct{})
				go func() {
					defer close(heard)
					io.Copy(io.Discard, b)
				}()
				shaken := make(chan error, 1)
				go func() { shaken <- c.Handshake() }()
				go func() {
					io.WriteString(b, noise)
					b.Close()
				}()
				if err := <-shaken; err == nil {
					t.Errorf("%s to a %s: no error", name, v)
				}
				if n, err := c.Write([]byte("secret")); n != 0 || err == nil {
					t.Errorf("%s to a %s: Write: %d, %v", name, v, n, err)
				}
				if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
					t.Errorf("%s to a %s: Read: %d, %v", name, v, n, err)
				}
				if _, err := c.Session(); !errors.Is(err, ssl.ErrNoSession) {
					t.Errorf("%s to a %s: Session: %v", name, v, err)
				}
				c.Close()
				<-heard
			})
		}
	}
}

// rogue is a TLS 1.3 client that sends any records it likes once its handshake, by
// crypto/tls, is over.
type rogue struct {
	net.Conn
	taken  atomic.Int64 // bytes of a flood
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

// newRogue does the handshake with c.
func newRogue(t *testing.T, raw net.Conn, c *ssl.Conn) *rogue {
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
	r := &rogue{Conn: raw}
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

func (r *rogue) use(secret []byte) {
	r.secret, r.iv, r.seq = secret, expand(secret, "iv", 12), 0
	block, err := aes.NewCipher(expand(secret, "key", 16))
	if err != nil {
		panic(err)
	}
	if r.aead, err = cipher.NewGCM(block); err != nil {
		panic(err)
	}
}

// flood sends n times what next makes.
func (r *rogue) flood(n int, next func() []byte) error {
	for range n {
		done, err := r.Write(next())
		r.taken.Add(int64(done))
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	typeHandshake = 22
	typeData      = 23
)

// record encrypts one.
func (r *rogue) record(kind byte, content []byte) []byte {
	inner := append(bytes.Clone(content), kind)
	header := []byte{typeData, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(header[3:], uint16(len(inner)+r.aead.Overhead()))
	nonce := bytes.Clone(r.iv)
	for i := range 8 {
		nonce[4+i] ^= byte(r.seq >> (56 - 8*i))
	}
	r.seq++
	return r.aead.Seal(header, nonce, inner, header)
}

// keyUpdates are n requests for new keys, each of which must be answered by one.
func (r *rogue) keyUpdates(n int) []byte {
	var out []byte
	for range n {
		out = append(out, r.record(typeHandshake, []byte{24, 0, 0, 1, 1})...)
		r.use(expand(r.secret, "traffic upd", sha256.Size))
	}
	return out
}

// A flood of KeyUpdates from a peer that reads nothing is not answered without end: at
// some point Read takes no more. When the peer reads after all, everything goes on.
func TestHostileKeyUpdateFlood(t *testing.T) {
	leakcheck.Test(t)
	ctx := newServerCtx(t, serverConfig(t))
	forEachWire(t, func(t *testing.T, w wire) {
		a, b := w.pipe(t)
		c, err := ssl.Server(b, ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(ioTimeout))
		r := newRogue(t, a, c)
		read, sent := make(chan error, 1), make(chan error, 1)
		go func() { read <- readUntil(c, "ping") }()
		go func() {
			err := r.flood(180, func() []byte { return r.keyUpdates(100) })
			if err == nil {
				_, err = r.Write(r.record(typeData, []byte("ping")))
			}
			sent <- err
		}()
		w.parked(t)
		const bound = 192 << 10
		if taken := int(r.taken.Load()); taken > bound+2*w.room {
			t.Errorf("%d bytes of KeyUpdates were taken and answered, want at most %d", taken, bound+2*w.room)
		}
		if n := ssl.Unsent(c); n > bound {
			t.Errorf("%d bytes of answers are kept, want at most %d", n, bound)
		}
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			io.Copy(io.Discard, a)
		}()
		if err := <-sent; err != nil {
			t.Error(err)
		}
		if err := <-read; err != nil {
			t.Error(err)
		}
		c.Close()
		a.Close()
		<-drained
	})
}

// Records without content are work for nothing: after some of them it is enough.
func TestHostileEmptyRecords(t *testing.T) {
	leakcheck.Test(t)
	ctx := newServerCtx(t, serverConfig(t))
	forEachWire(t, func(t *testing.T, w wire) {
		a, b := w.pipe(t)
		c, err := ssl.Server(b, ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(ioTimeout))
		r := newRogue(t, a, c)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			io.Copy(io.Discard, a)
		}()
		go func() {
			if r.flood(10_000, func() []byte { return r.record(typeData, nil) }) == nil {
				r.Write(r.record(typeData, []byte("x")))
			}
		}()
		var e *ssl.Error
		if _, err := c.Read(make([]byte, 1)); !errors.As(err, &e) || len(e.Entries) == 0 {
			t.Errorf("10000 empty records: %v", err)
		}
		c.Close()
		a.Close()
		<-ended
	})
}

// A record whose content type or length is none of TLS's is a fatal error.
func TestHostileRecords(t *testing.T) {
	leakcheck.Test(t)
	ctx := newServerCtx(t, serverConfig(t))
	for name, bad := range map[string]func(r *rogue) []byte{
		"unknown type":       func(r *rogue) []byte { return r.record(99, []byte("x")) },
		"no type":            func(r *rogue) []byte { return r.record(0, nil) },
		"unknown message":    func(r *rogue) []byte { return r.record(typeHandshake, []byte{77, 0, 0, 0}) },
		"endless message":    func(r *rogue) []byte { return r.record(typeHandshake, []byte{24, 255, 255, 255}) },
		"second hello":       func(r *rogue) []byte { return r.record(typeHandshake, []byte{1, 0, 0, 0}) },
		"bad key update":     func(r *rogue) []byte { return r.record(typeHandshake, []byte{24, 0, 0, 1, 9}) },
		"replayed":           func(r *rogue) []byte { x := r.record(typeData, nil); return append(x, x...) },
		"too long":           func(r *rogue) []byte { return r.record(typeData, bytes.Repeat([]byte("x"), 1<<14+1)) },
		"plaintext":          func(*rogue) []byte { return []byte{typeData, 3, 3, 0, 1, 'x'} },
		"unencrypted alert":  func(*rogue) []byte { return []byte{21, 3, 3, 0, 2, 1, 0} },
		"key update in data": func(r *rogue) []byte { return append(r.keyUpdates(1), r.record(99, nil)...) },
	} {
		forEachWire(t, func(t *testing.T, w wire) {
			a, b := w.pipe(t)
			c, err := ssl.Server(b, ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(ioTimeout))
			r := newRogue(t, a, c)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				io.Copy(io.Discard, a)
			}()
			go r.Write(bad(r))
			var e *ssl.Error
			if n, err := c.Read(new([64]byte)[:]); n != 0 || !errors.As(err, &e) || len(e.Entries) == 0 {
				t.Error(fmt.Sprintf("%s: %d,", name, n), err)
			}
			c.Close()
			a.Close()
			<-ended
		})
	}
}
