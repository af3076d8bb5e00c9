package httpssl_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// A server that answers by HTTP without TLS gives net/http's own error. A proxy does not.
func TestPlainAnswer(t *testing.T) {
	leakcheck.Test(t)
	for head, scheme := range map[string]bool{"HTTP/": true, "SSH-2": false} {
		cause := tls.RecordHeaderError{Msg: "not TLS", RecordHeader: [5]byte([]byte(head))}
		for _, proxied := range []bool{false, true} {
			tr, err := httpssl.NewTransport(&ssl.Dialer{Ctx: clientCtx(t),
				DialFunc: func(context.Context, string, string) (net.Conn, error) {
					if proxied {
						return nil, &net.OpError{Op: "proxyconnect", Err: cause}
					}
					return nil, cause
				}}, &http.Transport{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = (&http.Client{Transport: tr}).Get("https://server.test/")
			if !errors.As(err, new(tls.RecordHeaderError)) {
				t.Error(err)
			}
			want := scheme && !proxied
			if errors.Is(err, http.ErrSchemeMismatch) != want ||
				strings.HasSuffix(err.Error(), ": http: server gave HTTP response to HTTPS client") != want {
				t.Errorf("%s, by proxy %t: %v", head, proxied, err)
			}
		}
	}
}

// The same from a server of net/http without TLS.
func TestPlainServer(t *testing.T) {
	leakcheck.Test(t)
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	tr, err := httpssl.NewTransport(&ssl.Dialer{Ctx: clientCtx(t)}, &http.Transport{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	_, err = (&http.Client{Transport: tr}).Get("https" + strings.TrimPrefix(srv.URL, "http"))
	if !errors.Is(err, http.ErrSchemeMismatch) || !errors.As(err, new(tls.RecordHeaderError)) {
		t.Error(err)
	}
}
