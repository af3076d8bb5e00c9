//go:build !go1.27

package httpssl_test

import (
	"testing"
	"time"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A client that negotiates HTTP/2 and sends nothing is closed, even if the server has no
// limits.
func TestSilentAfterHTTP2(t *testing.T) {
	leakcheck.Test(t)
	defer httpssl.SetPrefaceTimeout(50 * time.Millisecond)()
	s := start(t, serverCtx(t), nil)
	c, err := ssl.Dial("tcp", s.Addr, clientCtx(t, ssltest.Protos("h2")))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := talk(t, c, ""); got != "" {
		t.Errorf("the server said %q", got)
	}
}
