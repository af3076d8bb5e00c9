package ssltest

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"sessl/ssl"
)

// RawHello is a TLS 1.3 ClientHello made by hand, in one record. Without a key share it
// makes the server ask for a second one (RFC 8446, section 4.2.8).
type RawHello struct {
	Host     string
	Protocol string
	Share    bool
	First    []byte // extensions before those
}

// Record is the hello as one record.
func (h RawHello) Record() []byte {
	ext := slices.Clone(h.First)
	if h.Host != "" {
		ext = append(ext, Extension(0, Counted(2, append([]byte{0}, Counted(2, []byte(h.Host))...)))...)
	}
	if h.Protocol != "" {
		ext = append(ext, Extension(16, Counted(2, Counted(1, []byte(h.Protocol))))...)
	}
	var share []byte
	if h.Share {
		share = append([]byte{0, 29},
			Counted(2, append([]byte{9}, make([]byte, 31)...))...) // X25519, its base point
	}
	ext = append(ext, Extension(10, Counted(2, []byte{0, 29}))...)      // X25519
	ext = append(ext, Extension(13, Counted(2, []byte{4, 3, 8, 4}))...) // ECDSA P-256, RSA-PSS
	ext = append(ext, Extension(43, Counted(1, []byte{3, 4}))...)       // TLS 1.3
	ext = append(ext, Extension(51, Counted(2, share))...)              // key share
	body := append([]byte{3, 3}, make([]byte, 32)...)                   // version, random
	body = append(body, Counted(1, nil)...)                             // session id
	body = append(body, Counted(2, []byte{0x13, 1})...)                 // TLS_AES_128_GCM_SHA256
	body = append(body, Counted(1, []byte{0})...)                       // no compression
	body = append(body, Counted(2, ext)...)
	return append([]byte{22, 3, 1}, Counted(2, append([]byte{1}, Counted(3, body)...))...)
}

// Extension is one of a hello.
func Extension(number uint16, b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, number), Counted(2, b)...)
}

// Counted is b behind its length in width bytes.
func Counted(width int, b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b)))[4-width:], b...)
}

// HelloServer runs the server's handshake with what the test writes to the result.
func HelloServer(t *testing.T, srv *ssl.Config) (client net.Conn, handshake <-chan error) {
	t.Helper()
	a, b := TCPPipe(t)
	a.SetDeadline(time.Now().Add(Timeout))
	s, err := ssl.Server(b, NewServerCtx(t, srv))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.SetDeadline(time.Now().Add(Timeout))
	done := make(chan error, 1)
	go func() {
		done <- s.Handshake()
		s.Close()
	}()
	return a, done
}

// Record reads one TLS record.
func Record(t *testing.T, r io.Reader) (kind byte, body []byte) {
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
