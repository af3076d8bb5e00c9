package peers

import (
	"errors"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A client of TLS 1.2 can export keys only with the extended master secret.
func TestExportNeedsExtendedMasterSecret(t *testing.T) {
	for priority, want := range map[string]error{"": nil, ":%NO_SESSION_HASH": ssl.ErrNoExtendedMasterSecret} {
		t.Run(strings.TrimPrefix(priority, ":%"), func(t *testing.T) {
			leakcheck.Test(t)
			cert := ssltest.KeyPair(t, "server-ecdsa")
			ctx, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert},
				MaxVersion: ssl.VersionTLS12})
			if err != nil {
				t.Fatal(err)
			}
			defer ctx.Close()
			l, err := ssl.Listen("tcp", "127.0.0.1:0", ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			done := make(chan error, 1)
			go func() {
				c, err := l.Accept()
				if err != nil {
					done <- err
					return
				}
				defer c.Close()
				if err = c.(*ssl.Conn).Handshake(); err == nil {
					_, err = c.(*ssl.Conn).ExportKeyingMaterial("EXPORTER-x", nil, 32)
				}
				done <- err
			}()
			_, port, _ := strings.Cut(l.Addr().String(), ":")
			cmd := command(t, "gnutls-cli", "--insecure", "--priority", "NORMAL"+priority, "--port", port, "127.0.0.1")
			out, _ := cmd.CombinedOutput()
			if err := <-done; !errors.Is(err, want) {
				t.Errorf("%v, want %v: %s", err, want, out)
			}
		})
	}
}
