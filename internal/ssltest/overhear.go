package ssltest

import (
	"bytes"
	"testing"

	"sessl/ssl"
)

// Overheard is a connection of TLS 1.3 with what each end has sent.
type Overheard struct {
	Pair
	client, server *taped
	log            bytes.Buffer
}

// Overhear makes one, before the handshake.
func Overhear(t testing.TB, cli *ssl.Config, sctx *ssl.Ctx) *Overheard {
	t.Helper()
	a, b := TCPPipe(t)
	o := &Overheard{client: &taped{Conn: a}, server: &taped{Conn: b}}
	cctx := NewClientCtx(t, CopyOf(cli, func(c *ssl.Config) { c.KeyLogWriter = &o.log }))
	o.Pair = NewPair(t, cctx, sctx, o.client, o.server)
	return o
}

// Certificate is the message with the certificate of the server, or of the client, and its number: 11, or
// 25 if it is compressed. 0 if there was none, or if it was not encrypted.
func (o *Overheard) Certificate(t testing.TB, server bool) (number byte, body []byte) {
	t.Helper()
	label, wire := "CLIENT_HANDSHAKE_TRAFFIC_SECRET", o.client
	if server {
		label, wire = "SERVER_HANDSHAKE_TRAFFIC_SECRET", o.server
	}
	secret := LoggedSecret(o.log.String(), label)
	if secret == nil {
		return 0, nil
	}
	wire.mu.Lock()
	defer wire.mu.Unlock()
	var all []byte
	keys := NewKeys(secret)
	for r := range Records(wire.sent) {
		if kind, content, err := keys.Open(r); err == nil && kind == TypeHandshake {
			all = append(all, content...)
		}
	}
	for len(all) >= 4 {
		n := 4 + int(all[1])<<16 + int(all[2])<<8 + int(all[3])
		if all[0] == 11 || all[0] == 25 {
			return all[0], all[4:n]
		}
		all = all[n:]
	}
	return 0, nil
}
