package errs_test

import (
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// oldServerHello is that of a TLS 1.2 server without any extension, and so without secure renegotiation.
func oldServerHello() []byte {
	body := append([]byte{3, 3}, make([]byte, 32)...) // version, random
	body = append(body, ssltest.Counted(1, nil)...)   // session id
	body = append(body, 0xC0, 0x2F)                   // TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
	body = append(body, 0)                            // no compression
	hello := append([]byte{2}, ssltest.Counted(3, body)...)
	return append([]byte{22, 3, 3}, ssltest.Counted(2, hello)...)
}

// A server without secure renegotiation (RFC 5746) is refused, and the error names the field that would
// let it pass.
func TestLegacyServer(t *testing.T) {
	for _, insecure := range []bool{false, true} {
		leakcheck.Test(t)
		cli := ssltest.ClientConfig(t)
		cli.MaxVersion, cli.InsecureLegacyServer = ssl.VersionTLS12, insecure
		a, b := ssltest.TCPPipe(t)
		go func() {
			b.Write(append(oldServerHello(), 21, 3, 3, 0, 2, 2, 40))
			io.Copy(io.Discard, b)
		}()
		c, err := ssl.ClientWithServerName(a, ssltest.NewClientCtx(t, cli), "localhost")
		if err != nil {
			t.Fatal(err)
		}
		err = c.Handshake()
		if errors.Is(err, ssl.ErrLegacyServer) == insecure ||
			strings.Contains(err.Error(), "InsecureLegacyServer") == insecure {
			t.Errorf("InsecureLegacyServer %t: %v", insecure, err)
		}
		var alert tls.AlertError
		if errors.As(err, &alert) != insecure || insecure && alert != 40 {
			t.Errorf("InsecureLegacyServer %t: the alert behind the hello is %v", insecure, err)
		}
		c.Close()
		b.Close()
	}
}
