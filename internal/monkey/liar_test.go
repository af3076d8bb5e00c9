package monkey_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A liar is a peer whose handshake crypto/tls does. Afterwards it sends any records it likes,
// with the record layer of ssltest: TLS 1.3 with TLS_AES_128_GCM_SHA256.
type liar struct {
	net.Conn
	r    chance
	keys *ssltest.Keys
}

// lie is a round of our connection with a liar, which is the client if ours is a server.
func (z *zoo) lie(t *testing.T, r chance, f *finding, ours kind, asClient bool) {
	a, b := ssltest.TCPPipe(t)
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
	pair, err := tls.LoadX509KeyPair(ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key"))
	name := ssltest.ClientTraffic // what it sends with
	if asClient {
		pair, err = tls.LoadX509KeyPair(ssltest.CertFile("client.pem"), ssltest.CertFile("client.key"))
	}
	if err != nil {
		t.Error(err)
		return false
	}
	cfg.Certificates = []tls.Certificate{pair}
	peer := tls.Client(l.Conn, cfg)
	if !asClient {
		peer, name = tls.Server(l.Conn, cfg), ssltest.ServerTraffic
	}
	if peer.Handshake() != nil || peer.ConnectionState().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
		return false
	}
	secret := ssltest.LoggedSecret(log.String(), name)
	if secret == nil {
		t.Errorf("%s was not logged", name)
		return false
	}
	l.keys = ssltest.NewKeys(secret)
	return true
}

// record encrypts one record.
func (l *liar) record(kind byte, content []byte) []byte {
	padding := 0
	if l.r.oneIn(10) {
		padding = l.r.IntN(300)
	}
	return l.keys.Seal(kind, content, padding)
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
	return ssltest.Message(4, body)
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
		out = append(out, l.record(ssltest.TypeHandshake, m[:n])...)
		m = m[n:]
		if l.r.oneIn(4) {
			return append(out, l.record(ssltest.TypeData, l.noise(20))...)
		}
	}
	return out
}

func (l *liar) keyUpdates(n int, request byte, really bool) (out []byte) {
	for range n {
		out = append(out, l.record(ssltest.TypeHandshake, ssltest.Message(24, []byte{request}))...)
		if really {
			l.keys.Update()
		}
	}
	return out
}

var lies = []func(l *liar) []byte{
	func(l *liar) []byte { return l.record(ssltest.TypeData, l.noise(l.r.IntN(16000))) },
	func(l *liar) []byte { return l.record(ssltest.TypeData, nil) },
	func(l *liar) []byte { return l.record(ssltest.TypeHandshake, l.ticket()) },
	func(l *liar) []byte { return l.inParts(l.ticket()) },
	func(l *liar) (out []byte) {
		for range 100 {
			out = append(out, l.record(ssltest.TypeHandshake, l.ticket())...)
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
		return l.inParts(ssltest.Message(13, body))
	},
	func(l *liar) []byte { return l.inParts(ssltest.Message(11, []byte{0, 0, 0, 0})) }, // an empty Certificate
	func(l *liar) []byte { return l.record(ssltest.TypeHandshake, ssltest.Message(20, l.noise(32))) },
	func(l *liar) []byte { return l.record(ssltest.TypeHandshake, ssltest.Message(0, nil)) },
	func(l *liar) []byte { return l.record(ssltest.TypeHandshake, ssltest.Message(5, nil)) },
	func(l *liar) []byte { return l.inParts(ssltest.Message(byte(l.r.Uint32()), l.noise(l.r.IntN(400)))) },
	func(l *liar) []byte { return l.record(ssltest.TypeHandshake, []byte{4, 0xff, 0xff, 0xff}) },
	func(l *liar) []byte { return l.record(ssltest.TypeAlert, []byte{1, 90}) }, // user_canceled
	func(l *liar) []byte { return l.record(ssltest.TypeAlert, []byte{1, 0}) },
	func(l *liar) []byte { return l.record(ssltest.TypeAlert, l.noise(l.r.IntN(4))) },
	func(l *liar) []byte { return l.record(byte(l.r.Uint32()), l.noise(10)) },
	func(l *liar) []byte { return []byte{ssltest.TypeChangeCipherSpec, 3, 3, 0, 1, 1} },
	func(l *liar) []byte { return append([]byte{ssltest.TypeHandshake, 3, 3, 0, 20}, l.noise(20)...) },
	func(l *liar) []byte { return l.noise(l.r.IntN(100)) },
}
