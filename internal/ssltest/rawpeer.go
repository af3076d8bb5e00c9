package ssltest

import (
	"bytes"
	"compress/zlib"
	"crypto/tls"
	"net"
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

	*Keys // to send with
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

// TakeOver is called when crypto/tls is to send nothing more. It finds the keys of application
// data, and how many records have been sent with them.
func (p *RawPeer) TakeOver(t testing.TB) {
	t.Helper()
	p.Wire.mu.Lock()
	defer p.Wire.mu.Unlock()
	if p.ConnectionState().Version != tls.VersionTLS13 {
		p.keys12(t)
		return
	}
	label := ClientTraffic
	if p.server {
		label = ServerTraffic
	}
	p.Keys = NewKeys(p.secret(t, label))
	for r := range Records(p.Wire.sent) {
		p.Open(r) // counts those of these keys
	}
}

// secret is the last one in the key log with that label.
func (p *RawPeer) secret(t testing.TB, label string) []byte {
	t.Helper()
	secret := LoggedSecret(p.log.String(), label)
	if secret == nil {
		t.Fatalf("no %s in the key log", label)
	}
	return secret
}

// keys12 is for TLS 1.2, where all records behind a ChangeCipherSpec are encrypted.
func (p *RawPeer) keys12(t testing.TB) {
	t.Helper()
	server, client := p.Wire.in, p.Wire.sent // which begin with the hellos
	if p.server {
		server, client = client, server
	}
	p.Keys = newKeys12(p.secret(t, "CLIENT_RANDOM"), server[11:43], client[11:43], p.server)
	encrypted := false
	for r := range Records(p.Wire.sent) {
		if encrypted {
			p.seq++
		}
		encrypted = encrypted || r[0] == TypeChangeCipherSpec
	}
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
	edit := p.reseal(t, func(message []byte) []byte { return restapled(message, was, staple) })
	p.Wire.edit = func(r []byte) []byte {
		switch {
		case r[0] == TypeHandshake && r[5] == 22: // TLS 1.2's CertificateStatus
			return record(TypeHandshake, Message(22, append(append([]byte{1}, number(len(staple), 3)...), staple...)))
		case version == tls.VersionTLS12:
			return r
		}
		return edit(r)
	}
}

// Compress makes a server of crypto/tls send its certificate compressed by zlib, with that for the number of
// bytes which come out of it, and with another staple, if was is not nil. The client fails as with Restaple.
func (p *RawPeer) Compress(t testing.TB, whole func(n int) int, was, staple []byte) {
	p.Wire.edit = p.reseal(t, func(message []byte) []byte {
		if message[0] != 11 {
			return message
		}
		if was != nil {
			message = restapled(message, was, staple)
		}
		var b bytes.Buffer
		w := zlib.NewWriter(&b)
		w.Write(message[4:])
		w.Close()
		body := append([]byte{0, 1}, number(whole(len(message)-4), 3)...)
		return Message(25, append(append(body, number(b.Len(), 3)...), b.Bytes()...))
	})
}

// reseal changes what a server of TLS 1.3 sends encrypted in the handshake.
func (p *RawPeer) reseal(t testing.TB, change func(message []byte) []byte) func(r []byte) []byte {
	var read, now *Keys // of the handshake
	return func(r []byte) []byte {
		if r[0] != TypeData || now != nil && now.Sealed() > 3 {
			return r
		}
		if now == nil {
			secret := p.secret(t, "SERVER_HANDSHAKE_TRAFFIC_SECRET")
			read, now = NewKeys(secret), NewKeys(secret)
		}
		_, inner, err := read.Open(r)
		if err != nil {
			t.Error(err)
			return r
		}
		return now.Seal(TypeHandshake, change(inner), 0)
	}
}

// restapled is a message of TLS 1.3 with another staple, if it has that one.
func restapled(message, was, staple []byte) []byte {
	at := bytes.Index(message, was)
	if at < 0 {
		return message
	}
	// The lengths before it are those of the response, the extension and all extensions; of the
	// list of certificates and the message, in front.
	less := len(was) - len(staple)
	out := append(append(bytes.Clone(message[:at]), staple...), message[at+len(was):]...)
	for _, f := range [][2]int{{at - 3, 3}, {at - 6, 2}, {at - 10, 2}, {5, 3}, {1, 3}} {
		n := 0
		for _, b := range out[f[0] : f[0]+f[1]] {
			n = n<<8 | int(b)
		}
		copy(out[f[0]:], number(n-less, f[1]))
	}
	return out
}

// number is n in width bytes.
func number(n, width int) []byte {
	return []byte{byte(n >> 16), byte(n >> 8), byte(n)}[3-width:]
}

// JoinMessages makes a client of crypto/tls send its certificate and what proves that it has the key
// in one record.
func (p *RawPeer) JoinMessages(t testing.TB, version uint16) {
	kind, last := byte(TypeHandshake), byte(15) // CertificateVerify
	if version == tls.VersionTLS13 {
		kind, last = TypeData, 20 // Finished, which would need another number
	}
	var messages []byte
	var read *Keys // of the handshake
	joined := false
	p.Wire.edit = func(r []byte) []byte {
		if r[0] != kind || joined {
			return r
		}
		message := r[5:]
		if kind == TypeData {
			if read == nil {
				read = NewKeys(p.secret(t, "CLIENT_HANDSHAKE_TRAFFIC_SECRET"))
			}
			var err error
			if _, message, err = read.Open(r); err != nil {
				t.Error(err)
				return r
			}
		}
		if message[0] == 1 { // ClientHello
			return r
		}
		messages = append(messages, message...)
		joined = message[0] == last
		switch {
		case !joined:
			return nil
		case kind == TypeData:
			return NewKeys(read.secret).Seal(TypeHandshake, messages, 0)
		}
		return record(TypeHandshake, messages)
	}
}
