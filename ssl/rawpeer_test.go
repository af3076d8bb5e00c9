package ssl_test

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
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"sessl/ssl"
)

// A rawPeer is an end of crypto/tls that can also send records of the test's own, encrypted with
// the keys of the connection: what no TLS library sends by itself.
type rawPeer struct {
	*tls.Conn
	wire   *taped
	log    *bytes.Buffer
	server bool

	aead cipher.AEAD
	iv   []byte
	seq  uint64
}

// rawSuites are those for which rawPeer knows the way from secrets to records.
var rawSuites = []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}

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
	for r := range records(b) {
		out = append(out, c.edit(r)...)
	}
	if _, err := c.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// newRawPeer is an end of conn. The key log of cfg, a bytes.Buffer, has the secrets of all that
// use it: a client of crypto/tls logs none when it resumes in TLS 1.2.
func newRawPeer(conn net.Conn, cfg *tls.Config, server bool) *rawPeer {
	p := &rawPeer{wire: &taped{Conn: conn}, log: cfg.KeyLogWriter.(*bytes.Buffer), server: server}
	if server {
		p.Conn = tls.Server(p.wire, cfg)
	} else {
		p.Conn = tls.Client(p.wire, cfg)
	}
	p.SetDeadline(time.Now().Add(ioTimeout))
	return p
}

// takeOver is called when crypto/tls is to send nothing more.
func (p *rawPeer) takeOver(t testing.TB) {
	t.Helper()
	p.wire.mu.Lock()
	defer p.wire.mu.Unlock()
	if p.ConnectionState().Version == tls.VersionTLS13 {
		p.keys13(t)
	} else {
		p.keys12(t)
	}
}

// secret is the last one in the key log with that label.
func (p *rawPeer) secret(t testing.TB, label string) (secret []byte) {
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

func (p *rawPeer) use(t testing.TB, key, iv []byte) {
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
func (p *rawPeer) keys13(t testing.TB) {
	t.Helper()
	label := "CLIENT_TRAFFIC_SECRET_0"
	if p.server {
		label = "SERVER_TRAFFIC_SECRET_0"
	}
	p.derive13(t, label)
	for r := range records(p.wire.sent) {
		if _, err := p.aead.Open(nil, p.nonce(), r[5:], r[:5]); err == nil {
			p.seq++
		}
	}
}

// derive13 uses the keys of the secret with that label.
func (p *rawPeer) derive13(t testing.TB, label string) {
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
func (p *rawPeer) keys12(t testing.TB) {
	t.Helper()
	master := p.secret(t, "CLIENT_RANDOM")
	server, client := p.wire.in, p.wire.sent // which begin with the hellos
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
	for r := range records(p.wire.sent) {
		if encrypted {
			p.seq++
		}
		encrypted = encrypted || r[0] == 20
	}
}

// records yields those that b is made of.
func records(b []byte) func(func([]byte) bool) {
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

func (p *rawPeer) nonce() []byte {
	seq := binary.BigEndian.AppendUint64(nil, p.seq)
	if len(p.iv) == 4 {
		return append(bytes.Clone(p.iv), seq...)
	}
	nonce := bytes.Clone(p.iv)
	for i, b := range seq {
		nonce[4+i] ^= b
	}
	return nonce
}

// seal is the next record.
func (p *rawPeer) seal(kind byte, b []byte) []byte {
	defer func() { p.seq++ }()
	if len(p.iv) == 4 {
		extra := append(binary.BigEndian.AppendUint64(nil, p.seq), kind, 3, 3, byte(len(b)>>8), byte(len(b)))
		sealed := p.aead.Seal(p.nonce()[4:], p.nonce(), b, extra)
		return append([]byte{kind, 3, 3, byte(len(sealed) >> 8), byte(len(sealed))}, sealed...)
	}
	inner := append(bytes.Clone(b), kind)
	n := len(inner) + p.aead.Overhead()
	head := []byte{23, 3, 3, byte(n >> 8), byte(n)}
	return p.aead.Seal(head, p.nonce(), inner, head)
}

// rawFor connects c, which is one of ours over its own end of a connection, with a rawPeer.
func rawFor(t testing.TB, ctx *ssl.Ctx, cfg *tls.Config) (*ssl.Conn, *rawPeer) {
	t.Helper()
	a, b := tcpPipe(t)
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
	c.SetDeadline(time.Now().Add(ioTimeout))
	return c, p
}

// shakeRaw does both handshakes, and a message each way.
func shakeRaw(t testing.TB, c *ssl.Conn, p *rawPeer) {
	t.Helper()
	told := make(chan error, 1)
	go func() {
		if _, err := p.Write([]byte("ping")); err != nil {
			told <- err
			return
		}
		_, err := io.ReadFull(p, make([]byte, len("ping")))
		told <- err
	}()
	if err := readUntil(c, "ping"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	if err := <-told; err != nil {
		t.Fatal(err)
	}
}
