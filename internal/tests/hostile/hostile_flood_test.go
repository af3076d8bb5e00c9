package hostile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
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
		cli, srv := ssltest.NewClientCtx(t, ssltest.ClientConfig(t)),
			ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
		for _, v := range []ssltest.Victim{ssltest.ClientEnd, ssltest.ServerEnd} {
			ssltest.ForEachWire(t, func(t *testing.T, w ssltest.Wire) {
				a, b := w.Pipe(t)
				made, ctx := ssl.Client, cli
				if v == ssltest.ServerEnd {
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

// Records without content are work for nothing: after some of them it is enough.
func TestHostileEmptyRecords(t *testing.T) {
	leakcheck.Test(t)
	ctx := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	ssltest.ForEachWire(t, func(t *testing.T, w ssltest.Wire) {
		a, c, r := ssltest.RogueAgainst(t, w, ctx)
		defer c.Close()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			io.Copy(io.Discard, a)
		}()
		go func() {
			if r.Flood(10_000, func() []byte { return r.Record(ssltest.TypeData, nil) }) == nil {
				r.Write(r.Record(ssltest.TypeData, []byte("x")))
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
	ctx := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	for name, bad := range map[string]func(r *ssltest.Rogue) []byte{
		"unknown type": func(r *ssltest.Rogue) []byte { return r.Record(99, []byte("x")) },
		"no type":      func(r *ssltest.Rogue) []byte { return r.Record(0, nil) },
		"unknown message": func(r *ssltest.Rogue) []byte {
			return r.Record(ssltest.TypeHandshake,
				[]byte{77, 0, 0, 0})
		},
		"endless message": func(r *ssltest.Rogue) []byte {
			return r.Record(ssltest.TypeHandshake,
				[]byte{24, 255, 255, 255})
		},
		"second hello": func(r *ssltest.Rogue) []byte {
			return r.Record(ssltest.TypeHandshake,
				[]byte{1, 0, 0, 0})
		},
		"bad key update": func(r *ssltest.Rogue) []byte {
			return r.Record(ssltest.TypeHandshake,
				[]byte{24, 0, 0, 1, 9})
		},
		"replayed": func(r *ssltest.Rogue) []byte {
			x := r.Record(ssltest.TypeData, nil)
			return append(x,
				x...)
		},
		"too long": func(r *ssltest.Rogue) []byte {
			return r.Record(ssltest.TypeData,
				bytes.Repeat([]byte("x"), 1<<14+1))
		},
		"plaintext":         func(*ssltest.Rogue) []byte { return []byte{ssltest.TypeData, 3, 3, 0, 1, 'x'} },
		"unencrypted alert": func(*ssltest.Rogue) []byte { return []byte{21, 3, 3, 0, 2, 1, 0} },
		"key update in data": func(r *ssltest.Rogue) []byte {
			return append(r.KeyUpdates(1),
				r.Record(99, nil)...)
		},
	} {
		ssltest.ForEachWire(t, func(t *testing.T, w ssltest.Wire) {
			a, c, r := ssltest.RogueAgainst(t, w, ctx)
			defer c.Close()
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
