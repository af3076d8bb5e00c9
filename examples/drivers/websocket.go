package drivers

import (
	"context"
	"net/http"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"sessl/httpssl"
	"sessl/ssl"
)

// dialCoder opens a WebSocket through a Transport, which may be that of other requests.
func dialCoder(ctx context.Context, transport *httpssl.Transport, url string) (*coder.Conn, error) {
	conn, _, err := coder.Dial(ctx, url, &coder.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	return conn, err
}

// dialGorilla opens a WebSocket on a connection of d, whose Ctx must not offer h2.
func dialGorilla(ctx context.Context, d *ssl.Dialer, url string) (*gorilla.Conn, error) {
	dialer := gorilla.Dialer{NetDialTLSContext: d.DialTLSContext}
	conn, _, err := dialer.DialContext(ctx, url, nil)
	return conn, err
}
