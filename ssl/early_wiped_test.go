package ssl_test

import (
	"bytes"
	"io"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Early data that a handshake has kept is wiped when it is read, and by Close where it is not.
func TestKeptEarlyDataIsWiped(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
	for _, reads := range []bool{true, false} {
		p := ssltest.EarlyPair(t, cctx, sctx, ssltest.EarlySession(t, cctx, sctx))
		sent := make(chan error, 1)
		go func() { sent <- ssltest.WriteEarly(p.Client, string(bytes.Repeat([]byte("x"), 10_000))) }()
		if n, err := p.Server.ReadEarlyData(make([]byte, 1)); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if err := p.Server.Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		kept := ssl.EarlyKept(p.Server)
		if !bytes.Contains(kept, []byte("x")) {
			t.Fatalf("nothing is kept: %d bytes", len(kept))
		}
		if reads {
			if rest, err := io.ReadAll(ssltest.EarlyReader{C: p.Server}); len(rest) != 9_999 || err != nil {
				t.Errorf("%d bytes, %v", len(rest), err)
			}
		}
		p.CloseBoth()
		if bytes.Contains(kept, []byte("x")) {
			t.Errorf("read %t: early data stays in memory", reads)
		}
	}
}
