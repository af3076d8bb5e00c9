//go:build go1.27

package httpssl

import (
	"context"
	"net"
	"net/http"
)

// newRoundTripper leaves all to net/http, which has the connection do its handshake and asks
// it what was negotiated.
func newRoundTripper(t *Transport, base *http.Transport) roundTripper {
	return clone(base, netHTTPProtocols(t.protocols),
		func(ctx context.Context, network, addr string) (net.Conn, error) {
			early, c, err := t.start(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			if early != nil {
				return early, nil
			}
			return newDialed(c), nil
		})
}
