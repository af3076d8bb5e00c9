package trust_test

import (
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Without RootCAs a client trusts what OpenSSL's defaults are when its Ctx is made, and
// no others; with an empty pool it trusts none, whatever the defaults.
func TestSystemRootsAreTheDefault(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.StartServer(t, ssltest.ServerConfig(t))
	verifies := func(what string, pool *ssl.CertPool, code int) {
		t.Helper()
		ctx := ssltest.NewClientCtx(t, &ssl.Config{ServerName: "localhost", RootCAs: pool})
		c, err := ssl.Dial("tcp", s.Addr, ctx)
		if err == nil {
			c.Close()
		}
		if code == 0 && err != nil || ssltest.VerifyCode(err) != code {
			t.Errorf("%s: %v, want code %d", what, err, code)
		}
	}
	t.Setenv("SSL_CERT_DIR", t.TempDir())
	t.Setenv("SSL_CERT_FILE", ssltest.CertFile("ca.pem"))
	verifies("the CA among the defaults", nil, 0)
	verifies("the same by name", ssl.SystemCertPool(), 0)
	verifies("an empty pool", ssl.NewCertPool(), ssltest.NoIssuer)
	verifies("another pool", ssltest.Roots(t, "other-ca"), ssltest.NoIssuer)

	t.Setenv("SSL_CERT_FILE", ssltest.CertFile("other-ca.pem"))
	verifies("another CA among the defaults", nil, ssltest.NoIssuer)
	more := ssl.SystemCertPool()
	more.AddCert(ssltest.ParsedCert(t, "ca"))
	verifies("the defaults and the CA", more, 0)
}
