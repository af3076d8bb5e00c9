//go:build go1.27

package httpssl

import (
	"context"
	"net"
	"net/http"
)

// newRoundTripper leaves all to net/http, which asks the connection what was negotiated.
func newRoundTripper(t *Transport, base *http.Transport) roundTripper {
	return clone(base, netHTTPProtocols(t.protocols), func(ctx context.Context, network, addr string) (net.Conn, error) {
		early, shake, err := t.start(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if early != nil {
			return early, nil
		}
		c, err := shake()
		if err != nil {
			return nil, err
		}
		return newConn(c), nil
	})
}
