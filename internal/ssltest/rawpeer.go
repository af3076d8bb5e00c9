package ssltest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"sessl/ssl"
)

// A RawPeer is an end of crypto/tls that can also send records of the test's own, encrypted with
// the keys of the connection: what no TLS library sends by itself.
type RawPeer struct {
	*tls.Conn
	Wire   *taped
	log    *bytes.Buffer
	server bool

	aead cipher.AEAD
	iv   []byte
	Seq  uint64
}

// RawSuites are those for which RawPeer knows the way from secrets to records.
var RawSuites = []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}

// taped is a net.Conn that keeps what goes over it, and may change what is sent.
type taped struct {
	net.Conn
	edit     func(record []byte) []byte
	mu       sync.Mutex
	in, sent []byte
}

func (c *taped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in = append(c.in, b[:n]...)
	return n, err
}

func (c *taped) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.sent = append(c.sent, b...)
	c.mu.Unlock()
	if c.edit == nil {
		return c.Conn.Write(b)
	}
	var out []byte
	for r := range Records(b) {
		out = append(out, c.edit(r)...)
	}
	if _, err := c.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// newRawPeer is an end of conn. The key log of cfg, a bytes.Buffer, has the secrets of all that
// use it: a client of crypto/tls logs none when it resumes in TLS 1.2.
func newRawPeer(conn net.Conn, cfg *tls.Config, server bool) *RawPeer {
	p := &RawPeer{Wire: &taped{Conn: conn}, log: cfg.KeyLogWriter.(*bytes.Buffer), server: server}
	if server {
		p.Conn = tls.Server(p.Wire, cfg)
	} else {
		p.Conn = tls.Client(p.Wire, cfg)
	}
	p.SetDeadline(time.Now().Add(Timeout))
	return p
}

// TakeOver is called when crypto/tls is to send nothing more.
func (p *RawPeer) TakeOver(t testing.TB) {
	t.Helper()
	p.Wire.mu.Lock()
	defer p.Wire.mu.Unlock()
	if p.ConnectionState().Version == tls.VersionTLS13 {
		p.keys13(t)
	} else {
		p.keys12(t)
	}
}

// secret is the last one in the key log with that label.
func (p *RawPeer) secret(t testing.TB, label string) (secret []byte) {
	t.Helper()
	for line := range strings.Lines(p.log.String()) {
		if f := strings.Fields(line); f[0] == label {
			secret, _ = hex.DecodeString(f[2])
		}
	}
	if secret == nil {
		t.Fatalf("no %s in the key log", label)
	}
	return secret
}

func (p *RawPeer) use(t testing.TB, key, iv []byte) {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	if p.aead, err = cipher.NewGCM(block); err != nil {
		t.Fatal(err)
	}
	p.iv = iv
}

// keys13 derives the keys of application data (RFC 8446, section 7.3), and finds out how many
// records have been sent with them.
func (p *RawPeer) keys13(t testing.TB) {
	t.Helper()
	label := "CLIENT_TRAFFIC_SECRET_0"
	if p.server {
		label = "SERVER_TRAFFIC_SECRET_0"
	}
	p.derive13(t, label)
	for r := range Records(p.Wire.sent) {
		if _, err := p.aead.Open(nil, p.nonce(), r[5:], r[:5]); err == nil {
			p.Seq++
		}
	}
}

// derive13 uses the keys of the secret with that label.
func (p *RawPeer) derive13(t testing.TB, label string) {
	t.Helper()
	secret := p.secret(t, label)
	expand := func(label string, n int) []byte {
		info := "\x00" + string(rune(n)) + string(rune(len("tls13 "+label))) + "tls13 " + label + "\x00"
		out, err := hkdf.Expand(sha256.New, secret, info, n)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	p.use(t, expand("key", 16), expand("iv", 12))
}

// keys12 is the same for TLS 1.2 (RFC 5246, section 6.3), where a ChangeCipherSpec tells.
func (p *RawPeer) keys12(t testing.TB) {
	t.Helper()
	master := p.secret(t, "CLIENT_RANDOM")
	server, client := p.Wire.in, p.Wire.sent // which begin with the hellos
	if p.server {
		server, client = client, server
	}
	seed := append(append([]byte("key expansion"), server[11:43]...), client[11:43]...)
	mac := func(b []byte) []byte {
		h := hmac.New(sha256.New, master)
		h.Write(b)
		return h.Sum(nil)
	}
	var block []byte
	for a := mac(seed); len(block) < 40; a = mac(a) {
		block = append(block, mac(append(bytes.Clone(a), seed...))...)
	}
	if p.server {
		p.use(t, block[16:32], block[36:40])
	} else {
		p.use(t, block[:16], block[32:36])
	}
	encrypted := false
	for r := range Records(p.Wire.sent) {
		if encrypted {
			p.Seq++
		}
		encrypted = encrypted || r[0] == 20
	}
}

// Records yields those that b is made of.
func Records(b []byte) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) >= 5 {
			n := 5 + int(binary.BigEndian.Uint16(b[3:]))
			if len(b) < n || !yield(b[:n]) {
				return
			}
			b = b[n:]
		}
	}
}

func (p *RawPeer) nonce() []byte {
	seq := binary.BigEndian.AppendUint64(nil, p.Seq)
	if len(p.iv) == 4 {
		return append(bytes.Clone(p.iv), seq...)
	}
	nonce := bytes.Clone(p.iv)
	for i, b := range seq {
		nonce[4+i] ^= b
	}
	return nonce
}

// Seal is the next record.
func (p *RawPeer) Seal(kind byte, b []byte) []byte {
	defer func() { p.Seq++ }()
	if len(p.iv) == 4 {
		extra := append(binary.BigEndian.AppendUint64(nil, p.Seq), kind, 3, 3, byte(len(b)>>8), byte(len(b)))
		sealed := p.aead.Seal(p.nonce()[4:], p.nonce(), b, extra)
		return append([]byte{kind, 3, 3, byte(len(sealed) >> 8), byte(len(sealed))}, sealed...)
	}
	inner := append(bytes.Clone(b), kind)
	n := len(inner) + p.aead.Overhead()
	head := []byte{23, 3, 3, byte(n >> 8), byte(n)}
	return p.aead.Seal(head, p.nonce(), inner, head)
}

// RawFor connects c, which is one of ours over its own end of a connection, with a RawPeer.
func RawFor(t testing.TB, ctx *ssl.Ctx, cfg *tls.Config) (*ssl.Conn, *RawPeer) {
	t.Helper()
	a, b := TCPPipe(t)
	if !ctx.IsServer() {
		a, b = b, a
	}
	p := newRawPeer(a, cfg, !ctx.IsServer())
	t.Cleanup(func() { p.Close() })
	side := ssl.Client
	if ctx.IsServer() {
		side = ssl.Server
	}
	c, err := side(b, ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(Timeout))
	return c, p
}

// Restaple changes the staple that a server of crypto/tls sends. The hash of the handshake is
// another then, so that the client fails in the end in any case.
func (p *RawPeer) Restaple(t testing.TB, version uint16, was, staple []byte) {
	length := func(n int) []byte { return []byte{byte(n >> 16), byte(n >> 8), byte(n)} }
	p.Wire.edit = func(r []byte) []byte {
		switch {
		case r[0] == 22 && r[5] == 22: // TLS 1.2's CertificateStatus
			body := append(append([]byte{1}, length(len(staple))...), staple...)
			message := append(append([]byte{22}, length(len(body))...), body...)
			return append([]byte{22, 3, 3, byte(len(message) >> 8), byte(len(message))}, message...)
		case r[0] != 23 || version == tls.VersionTLS12 || p.Seq > 3:
			return r
		}
		if p.Seq == 0 {
			p.derive13(t, "SERVER_HANDSHAKE_TRAFFIC_SECRET")
		}
		inner, err := p.aead.Open(nil, p.nonce(), r[5:], r[:5])
		if err != nil {
			t.Error(err)
			return r
		}
		at := bytes.Index(inner, was)
		if at < 0 {
			return p.Seal(22, inner[:len(inner)-1])
		}
		// The lengths before it are those of the response, the extension and all extensions; of the
		// list of certificates and the message, in front.
		less := len(was) - len(staple)
		out := append(append(bytes.Clone(inner[:at]), staple...), inner[at+len(was):len(inner)-1]...)
		for _, f := range [][2]int{{at - 3, 3}, {at - 6, 2}, {at - 10, 2}, {5, 3}, {1, 3}} {
			n := 0
			for _, b := range out[f[0] : f[0]+f[1]] {
				n = n<<8 | int(b)
			}
			copy(out[f[0]:], length(n - less)[3-f[1]:])
		}
		return p.Seal(22, out)
	}
}
