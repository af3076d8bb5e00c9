package names_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Types of handshake messages, and the number of an extension.
const (
	serverHello         = 2
	encryptedExtensions = 8
	serverNameExtension = 0
)

// A server that chooses by the name sends server_name in full handshakes, and in no resumption
// (RFC 6066, section 3).
func TestServerNameIsSentOnce(t *testing.T) {
	certs := []ssl.Certificate{certNamed(t, "b.test"), certNamed(t, "localhost")}
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		var log bytes.Buffer
		srv.Certificates, cli.CipherSuites, cli.KeyLogWriter = certs, ssltest.RawSuites, &log
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		var s *ssl.Session
		for i := range 3 {
			a, b := ssltest.TCPPipe(t)
			sent := &ssltest.Recorder{Conn: b}
			p := ssltest.NewPair(t, cctx, sctx, a, sent)
			if i > 0 {
				if err := p.Client.SetSession(s); err != nil {
					t.Fatal(err)
				}
			}
			p.MustShake(t)
			p.Echo(t)
			s = ssltest.SessionOf(t, p.Client)
			p.CloseBoth()
			if got, want := p.Server.SessionReused(), i > 0; got != want {
				t.Fatalf("connection %d: resumed %t", i, got)
			}
			if got, want := hasServerName(t, sent.Sent, log.String()), i == 0; got != want {
				t.Errorf("connection %d: server_name is sent %t, want %t", i, got, want)
			}
		}
	})
}

// hasServerName reports whether the first extensions that a server may answer with in what it has
// sent contain server_name: those of EncryptedExtensions, or of the ServerHello in TLS 1.2.
func hasServerName(t *testing.T, sent []byte, log string) bool {
	t.Helper()
	secret := ssltest.LoggedSecret(log, "SERVER_HANDSHAKE_TRAFFIC_SECRET")
	var message []byte
	for r := range ssltest.Records(sent) {
		if secret == nil {
			message = r[5:]
			break
		}
		if r[0] != ssltest.TypeData {
			continue
		}
		var err error
		if _, message, err = ssltest.NewKeys(secret).Open(r); err != nil {
			t.Fatal(err)
		}
		break
	}
	at := 4
	switch {
	case secret == nil && message[0] == serverHello:
		at += 2 + 32               // version, random
		at += 1 + int(message[at]) // session id
		at += 2 + 1                // suite, compression
	case secret != nil && message[0] == encryptedExtensions:
	default:
		t.Fatalf("the first message is %d", message[0])
	}
	n := int(binary.BigEndian.Uint16(message[at:]))
	for b := message[at+2:][:n]; len(b) > 0; {
		if binary.BigEndian.Uint16(b) == serverNameExtension {
			return true
		}
		b = b[4+binary.BigEndian.Uint16(b[2:]):]
	}
	return false
}
