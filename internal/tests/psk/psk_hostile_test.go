package psk_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// pskHello is the first flight of a client with a key. The offer is the end of it.
func pskHello(t *testing.T, identity string) []byte {
	t.Helper()
	a, b := net.Pipe()
	defer b.Close()
	ctx := ssltest.NewClientCtx(t, &ssl.Config{PSKs: []ssl.PSK{ssltest.NewPSK(t, identity, ssltest.PSKKey)},
		PSKOnly: true, MinVersion: ssl.VersionTLS13})
	c, err := ssl.Client(a, ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go c.Handshake()
	head := make([]byte, 5)
	if _, err := io.ReadFull(b, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(b, body); err != nil {
		t.Fatal(err)
	}
	return append(head, body...)
}

// told is a connection that gives its reader what was prepared, and then ends.
type told struct {
	net.Conn
	in *bytes.Reader
}

func (c *told) Read(p []byte) (int, error) { return c.in.Read(p) }

// No byte of a client's offer can be another, and none of it can be missing: lengths,
// identity, ticket age, binder. The server ends the handshake, whether the key is in its table or
// GetPSK has it, and has asked for nothing that is not in the hello.
func TestPSKChangedOffer(t *testing.T) {
	leakcheck.Test(t)
	k := ssltest.NewPSK(t, ssltest.PSKName, ssltest.PSKKey)
	hello := pskHello(t, ssltest.PSKName)
	offer := bytes.Index(hello,
		[]byte(ssltest.PSKName)) - 8 // number and length of the extension, of the list and of the identity
	if offer < 0 || hello[offer] != 0 || hello[offer+1] != 41 {
		t.Fatal("the offer is not where it should be")
	}
	get := func(_ *ssl.ClientHelloInfo, identity string) (ssl.PSK, error) {
		if identity == ssltest.PSKName {
			return k, nil
		}
		return ssl.PSK{}, nil
	}
	for name, cfg := range map[string]*ssl.Config{
		"table":  {MinVersion: ssl.VersionTLS13, PSKs: []ssl.PSK{k}},
		"GetPSK": {MinVersion: ssl.VersionTLS13, GetPSK: get},
	} {
		ctx := ssltest.NewServerCtx(t, cfg)
		if err := answerTo(t, ctx, hello); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: the hello as it was: %v", name, err) // it waits for the client's Finished
		}
		for at := offer; at < len(hello); at++ {
			for _, bit := range []byte{1, 0x80} {
				bad := bytes.Clone(hello)
				bad[at] ^= bit
				if err := answerTo(t, ctx, bad); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%s: byte %d changed: %v", name, at-offer, err)
				}
			}
		}
	}
}

// answerTo does the server's handshake with a client that says no more than hello.
func answerTo(t *testing.T, ctx *ssl.Ctx, hello []byte) error {
	t.Helper()
	a, b := net.Pipe()
	go io.Copy(io.Discard, b)
	defer b.Close()
	c, err := ssl.Server(&told{a, bytes.NewReader(hello)}, ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.Handshake()
}

// A lookup that hangs ends with the connection.
func TestGetPSKHangs(t *testing.T) {
	ssltest.Bubble(t, func(t *testing.T) {
		entered := make(chan struct{})
		srv := &ssl.Config{MinVersion: ssl.VersionTLS13, GetPSK: func(h *ssl.ClientHelloInfo, _ string) (ssl.PSK,
			error) {
			close(entered)
			<-h.Context().Done()
			return ssl.PSK{}, h.Context().Err()
		}}
		cli := &ssl.Config{PSKs: []ssl.PSK{ssltest.NewPSK(t, ssltest.PSKName, ssltest.PSKKey)}, PSKOnly: true}
		p := ssltest.NewPipePair(t, cli, srv)
		done := make(chan error)
		go func() { done <- p.Server.Handshake() }()
		go p.Client.Handshake()
		<-entered
		synctest.Wait()
		p.Server.Close()
		if err := <-done; err == nil {
			t.Error("the handshake went on")
		}
		p.Client.Close()
	})
}
