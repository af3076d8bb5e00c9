package monkey_test

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
	"sync"
	"testing"
	"time"

	"sessl/ssl"
)

// A liar is a peer whose handshake crypto/tls does. Afterwards it sends any records it likes,
// with a record layer of its own: TLS 1.3 with TLS_AES_128_GCM_SHA256.
type liar struct {
	net.Conn
	r      chance
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

// lie is a round of our connection with a liar, which is the client if ours is a server.
func (z *zoo) lie(t *testing.T, r chance, f *finding, ours kind, asClient bool) {
	a, b := loopback(t)
	made := ssl.Client
	if asClient {
		made = ssl.Server
	}
	c, err := made(a, ours.ctx)
	if err != nil {
		t.Error(err)
		return
	}
	l := &liar{Conn: b, r: r.fork()}
	var all sync.WaitGroup
	all.Go(func() { l.run(t, asClient) })
	z.play(r, f, []player{{Conn: c, kind: ours}}, a)
	b.Close()
	all.Wait()
}

func (l *liar) run(t *testing.T, asClient bool) {
	defer l.Close()
	l.SetDeadline(time.Now().Add(200 * time.Millisecond))
	if !l.shake(t, asClient) {
		return
	}
	var reader sync.WaitGroup
	if !l.r.oneIn(3) { // else it never reads
		reader.Go(func() { io.Copy(io.Discard, l.Conn) })
	}
	for range 1 + l.r.IntN(10) {
		if _, err := l.Conn.Write(pick(l.r, lies)(l)); err != nil {
			break
		}
	}
	l.Close()
	reader.Wait()
}

// shake reports whether the handshake ended in a state that the record layer here supports.
func (l *liar) shake(t *testing.T, asClient bool) bool {
	var log bytes.Buffer
	cfg := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, KeyLogWriter: &log,
		SessionTicketsDisabled: true}
	pair, err := tls.LoadX509KeyPair(certFile("server-ecdsa.pem"), certFile("server-ecdsa.key"))
	name := "CLIENT_TRAFFIC_SECRET_0" // the secret of its own records
	if asClient {
		pair, err = tls.LoadX509KeyPair(certFile("client.pem"), certFile("client.key"))
	}
	if err != nil {
		t.Error(err)
		return false
	}
	cfg.Certificates = []tls.Certificate{pair}
	peer := tls.Client(l.Conn, cfg)
	if !asClient {
		peer, name = tls.Server(l.Conn, cfg), "SERVER_TRAFFIC_SECRET_0"
	}
	if peer.Handshake() != nil || peer.ConnectionState().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
		return false
	}
	for line := range strings.Lines(log.String()) {
		if f := strings.Fields(line); f[0] == name {
			secret, err := hex.DecodeString(f[2])
			if err != nil {
				t.Error(err)
				return false
			}
			l.use(secret)
			return true
		}
	}
	return false
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

func (l *liar) use(secret []byte) {
	l.secret, l.iv, l.seq = secret, expand(secret, "iv", 12), 0
	block, err := aes.NewCipher(expand(secret, "key", 16))
	if err != nil {
		panic(err)
	}
	if l.aead, err = cipher.NewGCM(block); err != nil {
		panic(err)
	}
}

const (
	typeCCS       = 20
	typeAlert     = 21
	typeHandshake = 22
	typeData      = 23
)

// record encrypts one record.
func (l *liar) record(kind byte, content []byte) []byte {
	inner := append(bytes.Clone(content), kind)
	if l.r.oneIn(10) {
		inner = append(inner, make([]byte, l.r.IntN(300))...) // padding
	}
	header := []byte{typeData, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(header[3:], uint16(len(inner)+l.aead.Overhead()))
	nonce := bytes.Clone(l.iv)
	for i := range 8 {
		nonce[4+i] ^= byte(l.seq >> (56 - 8*i))
	}
	l.seq++
	return l.aead.Seal(header, nonce, inner, header)
}

// message returns one handshake message.
func message(kind byte, body []byte) []byte {
	return append([]byte{kind, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

// ticket returns a NewSessionTicket with valid or invalid contents.
func (l *liar) ticket() []byte {
	body := binary.BigEndian.AppendUint32(nil, pick(l.r, []uint32{0, 1, 7200, 604800, 604801, 1<<32 - 1}))
	body = binary.BigEndian.AppendUint32(body, l.r.Uint32())
	nonce := l.noise(l.r.IntN(20))
	body = append(append(body, byte(len(nonce))), nonce...)
	id := l.noise(pick(l.r, []int{0, 1, 32, 200, 3000}))
	body = append(binary.BigEndian.AppendUint16(body, uint16(len(id))), id...)
	var ext []byte
	if l.r.oneIn(2) {
		ext = binary.BigEndian.AppendUint32([]byte{0, 42, 0, 4}, l.r.Uint32()) // early_data
	}
	if l.r.oneIn(5) {
		ext = append(ext, l.noise(l.r.IntN(20))...)
	}
	body = append(binary.BigEndian.AppendUint16(body, uint16(len(ext))), ext...)
	return message(4, body)
}

func (l *liar) noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(l.r.Uint32())
	}
	return b
}

// inParts returns a message over several records, with other records between them, or without
// its end.
func (l *liar) inParts(m []byte) (out []byte) {
	for len(m) > 0 {
		n := 1 + l.r.IntN(len(m))
		out = append(out, l.record(typeHandshake, m[:n])...)
		m = m[n:]
		if l.r.oneIn(4) {
			return append(out, l.record(typeData, l.noise(20))...)
		}
	}
	return out
}

func (l *liar) keyUpdates(n int, request byte, really bool) (out []byte) {
	for range n {
		out = append(out, l.record(typeHandshake, message(24, []byte{request}))...)
		if really {
			l.use(expand(l.secret, "traffic upd", sha256.Size))
		}
	}
	return out
}

var lies = []func(l *liar) []byte{
	func(l *liar) []byte { return l.record(typeData, l.noise(l.r.IntN(16000))) },
	func(l *liar) []byte { return l.record(typeData, nil) },
	func(l *liar) []byte { return l.record(typeHandshake, l.ticket()) },
	func(l *liar) []byte { return l.inParts(l.ticket()) },
	func(l *liar) (out []byte) {
		for range 100 {
			out = append(out, l.record(typeHandshake, l.ticket())...)
		}
		return out
	},
	func(l *liar) []byte { return l.keyUpdates(1, 0, true) },
	func(l *liar) []byte { return l.keyUpdates(100, 1, true) },
	func(l *liar) []byte { return l.keyUpdates(1+l.r.IntN(3), byte(l.r.IntN(3)), l.r.oneIn(2)) },
	func(l *liar) []byte { // CertificateRequest, with or without signature_algorithms
		ext := []byte{0, 13, 0, 4, 0, 2, 4, 3}
		if l.r.oneIn(3) {
			ext = nil
		}
		id := l.noise(l.r.IntN(5))
		body := append([]byte{byte(len(id))}, id...)
		body = append(binary.BigEndian.AppendUint16(body, uint16(len(ext))), ext...)
		return l.inParts(message(13, body))
	},
	func(l *liar) []byte { return l.inParts(message(11, []byte{0, 0, 0, 0})) }, // an empty Certificate
	func(l *liar) []byte { return l.record(typeHandshake, message(20, l.noise(32))) },
	func(l *liar) []byte { return l.record(typeHandshake, message(0, nil)) },
	func(l *liar) []byte { return l.record(typeHandshake, message(5, nil)) },
	func(l *liar) []byte { return l.inParts(message(byte(l.r.Uint32()), l.noise(l.r.IntN(400)))) },
	func(l *liar) []byte { return l.record(typeHandshake, []byte{4, 0xff, 0xff, 0xff}) },
	func(l *liar) []byte { return l.record(typeAlert, []byte{1, 90}) }, // user_canceled
	func(l *liar) []byte { return l.record(typeAlert, []byte{1, 0}) },
	func(l *liar) []byte { return l.record(typeAlert, l.noise(l.r.IntN(4))) },
	func(l *liar) []byte { return l.record(byte(l.r.Uint32()), l.noise(10)) },
	func(l *liar) []byte { return []byte{typeCCS, 3, 3, 0, 1, 1} },
	func(l *liar) []byte { return append([]byte{typeHandshake, 3, 3, 0, 20}, l.noise(20)...) },
	func(l *liar) []byte { return l.noise(l.r.IntN(100)) },
}
