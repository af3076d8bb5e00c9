package recipes

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"sessl/httpssl"
	"sessl/ssl"
)

// reverseProxy serves clients over TLS, and asks a backend in the clear.
func reverseProxy(l net.Listener, ctx *ssl.Ctx, backend *url.URL) error {
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(backend)
		r.SetXForwarded() // X-Forwarded-Proto: https, because r.TLS is filled
	}}
	srv := &http.Server{Handler: proxy, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	return httpssl.Serve(srv, l, ctx)
}

// join copies both ways. The end of one direction is passed on, while the other goes on.
func join(a, b interface {
	net.Conn
	CloseWrite() error
}) error {
	there := make(chan error, 1)
	go func() {
		_, err := io.Copy(b, a)
		there <- errors.Join(err, b.CloseWrite())
	}()
	_, err := io.Copy(a, b)
	return errors.Join(err, a.CloseWrite(), <-there)
}
