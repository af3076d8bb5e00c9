package ssltest

import (
	"testing"
	"time"

	"sessl/ssl"
)

// Timeout bounds every wait of a test; it is never waited for.
const Timeout = 30 * time.Second

// ClientConfig trusts the test CA and expects "localhost".
func ClientConfig(t testing.TB) *ssl.Config {
	return &ssl.Config{RootCAs: Roots(t, "ca"), ServerName: "localhost"}
}

// ServerConfig has a certificate for localhost.
func ServerConfig(t testing.TB) *ssl.Config {
	return &ssl.Config{Certificates: []ssl.Certificate{KeyPair(t, "server-ecdsa")}}
}

// NewClientCtx makes a Ctx for clients that is closed with the test.
func NewClientCtx(t testing.TB, cfg *ssl.Config) *ssl.Ctx {
	t.Helper()
	ctx, err := ssl.NewClientCtx(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ctx.Close() })
	return ctx
}

// NewServerCtx makes a Ctx for servers that is closed with the test.
func NewServerCtx(t testing.TB, cfg *ssl.Config) *ssl.Ctx {
	t.Helper()
	ctx, err := ssl.NewServerCtx(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ctx.Close() })
	return ctx
}

// CopyOf is a copy of cfg with one change.
func CopyOf(cfg *ssl.Config, change func(*ssl.Config)) *ssl.Config {
	c := *cfg
	change(&c)
	return &c
}

// Insecure is a change for copyOf: nothing is verified.
func Insecure(c *ssl.Config) { c.InsecureSkipVerify = true }

// Version is a change of a Config: no version above v.
func Version(v uint16) func(*ssl.Config) { return func(c *ssl.Config) { c.MaxVersion = v } }

// Protos is a change of a Config: names for ALPN.
func Protos(names ...string) func(*ssl.Config) { return func(c *ssl.Config) { c.NextProtos = names } }
