package httpssl_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func only(set func(*http.Protocols)) *http.Protocols {
	p := new(http.Protocols)
	set(p)
	return p
}

// The settings that turn HTTP/2 off in a client and in a server of net/http.
var clientSwitches = map[string]func(*testing.T, *http.Transport){
	"GODEBUG": func(t *testing.T, _ *http.Transport) { t.Setenv("GODEBUG", "http2client=0") },
	"Protocols": func(_ *testing.T, tr *http.Transport) {
		tr.Protocols = only(func(p *http.Protocols) { p.SetHTTP1(true) })
	},
	"TLSNextProto": func(_ *testing.T, tr *http.Transport) {
		tr.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	},
}

var serverSwitches = map[string]func(*testing.T, *http.Server){
	"GODEBUG": func(t *testing.T, _ *http.Server) { t.Setenv("GODEBUG", "http2server=0") },
	"Protocols": func(_ *testing.T, s *http.Server) {
		s.Protocols = only(func(p *http.Protocols) { p.SetHTTP1(true) })
	},
	"TLSNextProto": func(_ *testing.T, s *http.Server) {
		s.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	},
}

// A client that does not speak HTTP/2 does not offer it, whatever its Ctx has.
func TestClientWithoutHTTP2(t *testing.T) {
	for name, off := range clientSwitches {
		for _, offered := range [][]string{both, {"http/1.1", "h2"}, {"h2"}} {
			t.Run(fmt.Sprint(name, offered), func(t *testing.T) {
				leakcheck.Test(t)
				s := start(t, serverCtx(t), nil)
				std := stdClient(t, true)
				base := &http.Transport{}
				off(t, base)
				off(t, std.Transport.(*http.Transport))
				tr, err := httpssl.NewTransport(&ssl.Dialer{Ctx: clientCtx(t, ssltest.Protos(offered...))}, base)
				if err != nil {
					t.Fatal(err)
				}
				defer tr.CloseIdleConnections()
				own := &http.Client{Transport: tr, Timeout: ssltest.Timeout}
				for by, c := range map[string]*http.Client{"net/http": std, "httpssl": own} {
					for range 2 {
						if resp, body := post(t, c, s.URL, "x"); resp.ProtoMajor != 1 || body != "x" {
							t.Errorf("%s: %s, %q", by, resp.Proto, body)
						}
					}
				}
			})
		}
	}
}

// A server that does not speak HTTP/2 does not accept it, whatever its Ctx has, and whichever
// Ctx is chosen.
func TestServerWithoutHTTP2(t *testing.T) {
	for name, off := range serverSwitches {
		for how, accepted := range map[string][]string{"both": both, "only h2": {"h2"}, "virtual host": both} {
			t.Run(name+", "+how, func(t *testing.T) {
				leakcheck.Test(t)
				ctx := serverCtx(t, ssltest.Protos(accepted...))
				if how == "virtual host" {
					host := ctx
					ctx = serverCtx(t, ssltest.Protos(accepted...), func(cfg *ssl.Config) {
						cfg.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return host, nil }
					})
				}
				s := start(t, ctx, nil, func(s *http.Server) { off(t, s) })
				for by, c := range clients(t, true) {
					if resp, body := post(t, c, s.URL, "x"); resp.ProtoMajor != 1 || body != "x" {
						t.Errorf("%s: %s, %q", by, resp.Proto, body)
					}
				}
			})
		}
	}
}

// A server of HTTP/2 alone refuses other clients in the handshake.
func TestServerOfHTTP2Alone(t *testing.T) {
	leakcheck.Test(t)
	s := start(t, serverCtx(t), nil, func(s *http.Server) {
		s.Protocols = only(func(p *http.Protocols) { p.SetHTTP2(true) })
	})
	for by, c := range clients(t, true) {
		if resp, body := post(t, c, s.URL, "x"); resp.ProtoMajor != 2 || body != "x" {
			t.Errorf("%s: %s, %q", by, resp.Proto, body)
		}
	}
	_, err := client(t, clientCtx(t, ssltest.Protos("http/1.1"))).Get(s.URL)
	var e *ssl.Error
	if !errors.As(err, &e) {
		t.Fatalf("a client of HTTP/1.1: %v", err)
	}
	if alert, _ := e.Alert(); alert != 120 { // no_application_protocol
		t.Errorf("a client of HTTP/1.1: %v", err)
	}
}

// If a program has replaced the default transport, its original settings count.
func TestDefaultTransportReplaced(t *testing.T) {
	leakcheck.Test(t)
	before := http.DefaultTransport
	defer func() { http.DefaultTransport = before }()
	http.DefaultTransport = roundTripperFunc(nil)
	if _, err := httpssl.NewTransport(&ssl.Dialer{Ctx: clientCtx(t)}, nil); err != nil {
		t.Error(err)
	}
}

type roundTripperFunc func(*http.Request) (*http.Response, error)

func (f roundTripperFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Fields of http.Transport have the same effect here as in net/http.
func TestTransportFields(t *testing.T) {
	for name, set := range map[string]func(*http.Transport){
		"DisableKeepAlives":      func(tr *http.Transport) { tr.DisableKeepAlives = true },
		"DisableCompression":     func(tr *http.Transport) { tr.DisableCompression = true },
		"MaxResponseHeaderBytes": func(tr *http.Transport) { tr.MaxResponseHeaderBytes = 100 },
		"MaxIdleConnsPerHost":    func(tr *http.Transport) { tr.MaxIdleConnsPerHost = -1 },
		"MaxConnsPerHost":        func(tr *http.Transport) { tr.MaxConnsPerHost = 1 },
		"none":                   func(*http.Transport) {},
	} {
		for _, h2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s h2 %t", name, h2), func(t *testing.T) {
				leakcheck.Test(t)
				got := map[string]string{}
				for by, c := range clients(t, h2, set) {
					s := start(t, serverCtx(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						w.Header().Set("Encoding", r.Header.Get("Accept-Encoding"))
						if name == "MaxResponseHeaderBytes" {
							w.Header().Set("Long", strings.Repeat("x", 5000))
						}
					}))
					var out []string
					for range 3 {
						resp, err := c.Get(s.URL)
						if err == nil {
							resp.Body.Close()
							out = append(out, resp.Proto, resp.Header.Get("Encoding"))
						}
						out = append(out, fmt.Sprint(err == nil))
					}
					extra := int32(0)
					if name == "DisableKeepAlives" && h2 && by == "httpssl" {
						extra = min(1, max(0, s.conns.Load()-3)) // before Go 1.27
					}
					got[by] = fmt.Sprint(out, s.conns.Load()-extra)
				}
				if got["httpssl"] != got["net/http"] {
					t.Errorf("httpssl: %s; net/http: %s", got["httpssl"], got["net/http"])
				}
			})
		}
	}
}

// The dial function of the base also dials for https, unless the Dialer has one.
func TestTransportDialsByItsBase(t *testing.T) {
	leakcheck.Test(t)
	s := start(t, serverCtx(t), nil)
	dial := func(by string, asked *[]string) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, _, addr string) (net.Conn, error) {
			*asked = append(*asked, by+" "+addr)
			return new(net.Dialer).DialContext(ctx, "tcp", s.Addr)
		}
	}
	var asked []string
	base := dial("base", &asked)
	for _, tc := range []struct {
		base *http.Transport
		d    ssl.Dialer
		want string
	}{
		{&http.Transport{DialContext: base}, ssl.Dialer{}, "base"},
		//lint:ignore SA1019 it is obeyed
		{&http.Transport{Dial: func(network, addr string) (net.Conn, error) {
			return base(t.Context(), network, addr)
		}}, ssl.Dialer{}, "base"},
		{&http.Transport{DialContext: base}, ssl.Dialer{DialFunc: dial("dialer", &asked)}, "dialer"},
	} {
		asked = nil
		tc.d.Ctx = clientCtx(t)
		tr, err := httpssl.NewTransport(&tc.d, tc.base)
		if err != nil {
			t.Fatal(err)
		}
		c := &http.Client{Transport: tr, Timeout: ssltest.Timeout}
		if resp, body := post(t, c, "https://server.test", "x"); body != "x" || resp.ProtoMajor != 2 {
			t.Errorf("%s: %q by %s", tc.want, body, resp.Proto)
		}
		tr.CloseIdleConnections()
		if len(asked) != 1 || asked[0] != tc.want+" server.test:443" {
			t.Errorf("%s: dialed by %q", tc.want, asked)
		}
	}
}
