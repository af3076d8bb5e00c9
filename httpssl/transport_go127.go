//go:build go1.27

package httpssl

import (
	"context"
	"net"
	"net/http"
)

// newRoundTripper leaves everything to net/http, which lets the connection do its handshake and
// asks it for the negotiated protocol.
func newRoundTripper(t *Transport, base *http.Transport) roundTripper {
	return t.clone(base, netHTTPProtocols(t.protocols),
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
