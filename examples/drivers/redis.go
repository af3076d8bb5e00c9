package drivers

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/redis/go-redis/v9"
	"github.com/valkey-io/valkey-go"

	"sessl/ssl"
)

// goRedis returns a client whose connections are d's.
func goRedis(d *ssl.Dialer, addr string) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: addr, Dialer: d.DialTLSContext,
		ContextTimeoutEnabled: true}) // else go-redis looks at no context while it waits
}

// valkeyClient returns a client whose connections are d's.
func valkeyClient(d *ssl.Dialer, addr string) (valkey.Client, error) {
	return valkey.NewClient(valkey.ClientOption{
		InitAddress: []string{addr},
		DialCtxFn: func(ctx context.Context, addr string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return d.DialTLSContext(ctx, "tcp", addr)
		},
	})
}
