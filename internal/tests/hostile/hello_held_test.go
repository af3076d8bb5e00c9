package hostile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// padded is a ClientHello's message with an extension that makes its body as long as that.
func padded(message []byte, size int) []byte {
	const ext = 2 + 32 + 1 + 4 + 2 // of RawHello, up to the length of its extensions
	body := append([]byte(nil), message[4:]...)
	body = append(body, ssltest.Extension(21, make([]byte, size-len(body)-4))...)
	binary.BigEndian.PutUint16(body[ext:], uint16(len(body)-ext-2))
	return append([]byte{1}, ssltest.Counted(3, body)...)
}

// inRecords is a handshake message in records of n bytes each.
func inRecords(message []byte, n int) (all []byte) {
	for len(message) > 0 {
		n = min(n, len(message))
		all = append(all, append([]byte{22, 3, 3}, ssltest.Counted(2, message[:n])...)...)
		message = message[n:]
	}
	return all
}

// answerToHello is the first record of the server's that answers hello, of which each write has no
// more than n bytes, and how its handshake ends after that.
func answerToHello(t *testing.T, srv *ssl.Config, again bool, hello []byte, n int) (kind byte, body []byte,
	end error) {
	t.Helper()
	a, handshake := ssltest.HelloServer(t, srv)
	if again {
		if _, err := a.Write(ssltest.RawHello{}.Record()); err != nil {
			t.Fatal(err)
		}
		if kind, body := ssltest.Record(t, a); kind != 22 || body[0] != 2 {
			t.Fatalf("the first hello is answered with %d: %x", kind, body)
		}
		if kind, body := ssltest.Record(t, a); kind != 20 {
			t.Fatalf("after that, %d: %x", kind, body)
		}
	}
	go func() {
		for len(hello) > 0 {
			put, err := a.Write(hello[:min(n, len(hello))])
			if err != nil {
				return
			}
			hello = hello[put:]
		}
	}()
	kind, body = ssltest.Record(t, a)
	a.Close()
	return kind, body, <-handshake
}

// A ClientHello has at most 64 KB, as in crypto/tls; a longer one is refused as soon as its
// length is known, the second one too.
func TestHelloLimit(t *testing.T) {
	ssltest.ForEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		for _, again := range []bool{false, true} {
			for _, perRecord := range []int{1 << 14, 1000, 3} {
				message := padded(ssltest.RawHello{Share: true}.Record()[5:], 1<<16)
				if perRecord >= 1000 { // else the records' heads alone are too much
					kind, body, _ := answerToHello(t, ssltest.ServerConfig(t), again, inRecords(message, perRecord), 1<<20)
					if kind != 22 || body[0] != 2 {
						t.Errorf("records of %d, again %v: 64 KB are answered with %d: %x", perRecord, again, kind, body)
					}
				}
				message = padded(ssltest.RawHello{Share: true}.Record()[5:], 1<<16+1)
				sent := inRecords(message, perRecord)[:min(perRecord, 8)*8] // the length is in it, and little more
				if perRecord >= 1000 {
					sent = inRecords(message, perRecord)[:5+perRecord]
				}
				kind, body, err := answerToHello(t, ssltest.ServerConfig(t), again, sent, 1<<20)
				if kind != 21 || len(body) != 2 || body[0] != 2 || body[1] != 47 {
					t.Errorf("records of %d, again %v: a byte more is answered with %d: %x", perRecord, again, kind, body)
				}
				var e *ssl.Error
				if !errors.As(err, &e) || len(e.Entries) == 0 || e.Entries[0].Reason != "excessive message size" {
					t.Errorf("records of %d, again %v: %v", perRecord, again, err)
				}
			}
		}
	})
}

// A hello is the same however its bytes are cut into records and into what arrives at once.
func TestHelloInParts(t *testing.T) {
	ssltest.ForEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		ccs := []byte{20, 3, 3, 0, 1, 1}
		for _, again := range []bool{false, true} {
			for _, perRecord := range []int{1 << 14, 64, 7, 4, 3, 1} {
				for _, atOnce := range []int{1 << 14, 64, 7, 1} {
					for _, before := range [][]byte{nil, ccs} {
						if !again && before != nil {
							continue
						}
						hello := append(bytes.Clone(before), inRecords(ssltest.RawHello{Share: true}.Record()[5:],
							perRecord)...)
						kind, body, _ := answerToHello(t, ssltest.ServerConfig(t), again, hello, atOnce)
						if kind != 22 || body[0] != 2 {
							t.Errorf("behind %x, records of %d, %d at once, again %v: %d: %x", before, perRecord, atOnce, again,
								kind, body)
						}
					}
				}
			}
		}
	})
}

// What is not a ClientHello is judged by its first bytes, without waiting for more.
func TestNoHelloIsRefusedAtOnce(t *testing.T) {
	ssltest.ForEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		for in, want := range map[string]string{
			"GET / HTTP/1.1\r\n":              "http request",
			"CONNECT a.test:443 HTTP/1.1\r\n": "https proxy request",
			"\x16\x02\x00\x40\x00":            "wrong version number",
			"\x16\x03\x01\x60\x00":            "packet length too long|data length too long",
			// before 3.5, and since
			"\x16\x03\x01\x00\x04\x0b\x00\x10\x00":             "unexpected message",
			"\x17\x03\x03\x00\x01x":                            "",
			"\x14\x03\x03\x00\x01\x01":                         "",
			"\x15\x03\x01\x00\x02\x02\x28":                     "",
			"\x16\x03\x01\x00\x01\x01\x14\x03\x03\x00\x01\x01": "",
		} {
			a, b := ssltest.TCPPipe(t)
			s, err := ssl.Server(b, ssltest.NewServerCtx(t, ssltest.ServerConfig(t)))
			if err != nil {
				t.Fatal(err)
			}
			s.SetDeadline(time.Now().Add(ssltest.Timeout))
			go io.WriteString(a, in)
			err = s.Handshake()
			var e *ssl.Error
			var wait net.Error
			if errors.As(err, &wait) && wait.Timeout() || !errors.As(err, &e) || len(e.Entries) == 0 || want != "" &&
				!slices.Contains(strings.Split(want, "|"), e.Entries[0].Reason) {
				t.Errorf("%q: %v", in, err)
			}
			s.Close()
		}
	})
}
