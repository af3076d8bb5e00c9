package ssl_test

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// rawHello is a TLS 1.3 ClientHello made by hand, in one record. Without a key share it
// makes the server ask for a second one (RFC 8446, section 4.2.8).
type rawHello struct {
	host     string
	protocol string
	share    bool
}

func (h rawHello) record() []byte {
	var ext []byte
	if h.host != "" {
		ext = append(ext, extension(0, counted(2, append([]byte{0}, counted(2, []byte(h.host))...)))...)
	}
	if h.protocol != "" {
		ext = append(ext, extension(16, counted(2, counted(1, []byte(h.protocol))))...)
	}
	var share []byte
	if h.share {
		share = append([]byte{0, 29}, counted(2, append([]byte{9}, make([]byte, 31)...))...) // X25519, its base point
	}
	ext = append(ext, extension(10, counted(2, []byte{0, 29}))...)      // X25519
	ext = append(ext, extension(13, counted(2, []byte{4, 3, 8, 4}))...) // ECDSA P-256, RSA-PSS
	ext = append(ext, extension(43, counted(1, []byte{3, 4}))...)       // TLS 1.3
	ext = append(ext, extension(51, counted(2, share))...)              // key share
	body := append([]byte{3, 3}, make([]byte, 32)...)                   // version, random
	body = append(body, counted(1, nil)...)                             // session id
	body = append(body, counted(2, []byte{0x13, 1})...)                 // TLS_AES_128_GCM_SHA256
	body = append(body, counted(1, []byte{0})...)                       // no compression
	body = append(body, counted(2, ext)...)
	return append([]byte{22, 3, 1}, counted(2, append([]byte{1}, counted(3, body)...))...)
}

func extension(number uint16, b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, number), counted(2, b)...)
}

// counted is b behind its length in width bytes.
func counted(width int, b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b)))[4-width:], b...)
}

// helloServer runs the server's handshake with what the test writes to the result.
func helloServer(t *testing.T, srv *ssl.Config) (client net.Conn, handshake <-chan error) {
	t.Helper()
	a, b := tcpPipe(t)
	a.SetDeadline(time.Now().Add(ioTimeout))
	s, err := ssl.Server(b, newServerCtx(t, srv))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.SetDeadline(time.Now().Add(ioTimeout))
	done := make(chan error, 1)
	go func() {
		done <- s.Handshake()
		s.Close()
	}()
	return a, done
}

// record reads one TLS record.
func record(t *testing.T, r io.Reader) (kind byte, body []byte) {
	t.Helper()
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		t.Fatal(err)
	}
	body = make([]byte, binary.BigEndian.Uint16(head[3:]))
	if _, err := io.ReadFull(r, body); err != nil {
		t.Fatal(err)
	}
	return head[0], body
}

// A client that is asked for a second ClientHello must not turn to another host, where
// more may be demanded of it, nor to another protocol. libssl would let it.
func TestSecondHelloForAnotherHostIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		second rawHello
		ok     bool
	}{
		"same":             {rawHello{"a.test", "x", true}, true},
		"other host":       {rawHello{"b.test", "x", true}, false},
		"longer host":      {rawHello{"a.test.b.test", "x", true}, false},
		"no host":          {rawHello{"", "x", true}, false},
		"other protocol":   {rawHello{"a.test", "y", true}, false},
		"no more protocol": {rawHello{"a.test", "", true}, false},
	} {
		for _, swap := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				leakcheck.Test(t)
				srv := serverConfig(t)
				_, open, _ := hostConfigs(t)
				chosen := newServerCtx(t, open)
				var asked atomic.Int32
				srv.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) {
					asked.Add(1)
					if swap {
						return chosen, nil
					}
					return nil, nil
				}
				client, done := helloServer(t, srv)
				client.Write(rawHello{"a.test", "x", false}.record())
				if kind, body := record(t, client); kind != 22 || body[0] != 2 {
					t.Fatalf("the server answers with record %d, message %d, want a HelloRetryRequest", kind, body[0])
				}
				client.Write(tt.second.record())
				kind, body := record(t, client)
				for kind == 20 { // the compatibility record
					kind, body = record(t, client)
				}
				if tt.ok {
					if kind != 22 || body[0] != 2 {
						t.Errorf("the server answers with record %d, want its hello", kind)
					}
					client.Close()
					<-done
				} else {
					if kind != 21 || body[1] != 47 {
						t.Errorf("the server answers with record %d (%x), want the alert illegal_parameter", kind, body)
					}
					if err := <-done; err == nil || !strings.Contains(err.Error(), "another host") {
						t.Errorf("server: %v", err)
					}
				}
				if asked.Load() != 1 {
					t.Errorf("GetConfigForClient was called %d times", asked.Load())
				}
			})
		}
	}
}

// Extensions that the client has garbled are left to libssl to refuse.
func TestGarbledHello(t *testing.T) {
	leakcheck.Test(t)
	srv := serverConfig(t)
	srv.GetConfigForClient = func(h *ssl.ClientHelloInfo) (*ssl.Ctx, error) { return nil, nil }
	good := rawHello{"a.test", "x", true}.record()
	for at := 5; at < len(good); at++ {
		bad := append([]byte(nil), good...)
		bad[at] ^= 0x55
		client, done := helloServer(t, srv)
		client.Write(bad)
		client.Close()
		if err := <-done; err == nil {
			t.Errorf("byte %d: the handshake succeeded", at)
		}
	}
}
