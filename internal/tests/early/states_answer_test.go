package early_test

import (
	"crypto/tls"
	"io"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// The handshake is completed while a server still answers early data, and then the client sends a
// message in parts: the answer waits for the rest, as a Write does.
func TestEarlyAnswerMidway(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	cli.MinVersion, cli.CipherSuites = ssl.VersionTLS13, []uint16{tls.TLS_AES_128_GCM_SHA256}
	sctx := ssltest.NewServerCtx(t, srv)
	s := ssltest.EarlySession(t, ssltest.NewClientCtx(t, cli), sctx)
	a, b := ssltest.TCPPipe(t)
	client := ssltest.NewRogueEnd(t, a, cli, false)
	server, err := ssl.Server(b, sctx)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	defer client.Close()
	if err := client.SetSession(s); err != nil {
		t.Fatal(err)
	}
	if _, err := client.WriteEarlyData([]byte("ask")); err != nil {
		t.Fatal(err)
	}
	if n, err := server.ReadEarlyData(make([]byte, 10)); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	answer := make([]byte, 16<<20) // more than the sockets hold
	wrote := make(chan error, 1)
	go func() {
		n, err := server.WriteEarlyData(answer)
		if n != len(answer) && err == nil {
			err = io.ErrShortWrite
		}
		wrote <- err
	}()
	if n, err := client.Read(make([]byte, 1)); n != 1 || err != nil { // the answer has begun
		t.Fatal(n, err)
	}
	r, _ := client.TakeOver(t, false)
	data := r.Record(ssltest.TypeData, []byte("ping"))
	first, second := r.HalfKeyUpdate()
	r.Write(append(data, first...))
	// A large buffer, so that the Read goes on after the data and meets the message.
	if n, err := server.Read(make([]byte, 64)); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	go io.Copy(io.Discard, a)
	r.Write(append(second, r.Record(ssltest.TypeData, []byte("pong"))...))
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	if err := ssltest.ReadUntil(server, "pong"); err != nil {
		t.Error(err)
	}
}
