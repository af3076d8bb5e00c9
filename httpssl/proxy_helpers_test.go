package httpssl_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sessl/httpssl"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A proxy leads all tunnels to one server. It answers requests for http URLs itself.
type proxy struct {
	URL   *url.URL
	conns atomic.Int32
	mu    sync.Mutex
	asked []string
}

// An answer is what a proxy does instead of what was asked; it returns false to do that.
type answer func(c net.Conn, r *http.Request) bool

// say answers with s.
func say(s string) answer {
	return func(c net.Conn, _ *http.Request) bool {
		io.WriteString(c, s)
		return true
	}
}

// startProxy starts a proxy to the server at addr. With srv, clients must speak TLS to it.
func startProxy(t *testing.T, addr string, srv *ssl.Ctx, instead answer) *proxy {
	t.Helper()
	p := &proxy{}
	p.URL = &url.URL{Scheme: "http", Host: each(t, func(c net.Conn) {
		p.conns.Add(1)
		if srv != nil {
			own, err := ssl.Server(c, srv)
			if err != nil {
				t.Error(err)
				return
			}
			defer own.Close()
			c = own
		}
		p.serve(c, addr, instead)
	})}
	if srv != nil {
		p.URL.Scheme = "https"
	}
	return p
}

func (p *proxy) serve(c net.Conn, addr string, instead answer) {
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		p.note(r)
		switch {
		case instead != nil && instead(c, r):
			return
		case r.Method == "CONNECT":
			io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n")
			join(c, addr)
			return
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy")
	}
}

// join passes bytes on between c and addr until one side closes.
func join(c net.Conn, addr string) {
	up, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() { io.Copy(c, up); c.Close(); up.Close() })
	io.Copy(up, c)
	up.Close()
	back.Wait()
}

// note records a request, with its credentials in plain text.
func (p *proxy) note(r *http.Request) {
	s := r.Method + " " + r.RequestURI + " host " + r.Host
	if b, ok := strings.CutPrefix(r.Header.Get("Proxy-Authorization"), "Basic "); ok {
		plain, _ := base64.StdEncoding.DecodeString(b)
		s += " auth " + string(plain)
	}
	if x := r.Header.Get("X-Asked"); x != "" {
		s += " x " + x
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, s)
}

// takes returns what the proxy has been asked since the last call.
func (p *proxy) takes() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := strings.Join(p.asked, "\n")
	p.asked = nil
	return s
}

// by has a transport use the proxy, with a user and a password if there is one.
func (p *proxy) by(user *url.Userinfo) func(*http.Transport) {
	u := *p.URL
	u.User = user
	return func(tr *http.Transport) { tr.Proxy = http.ProxyURL(&u) }
}

// proxyClients returns clients that verify the names in URLs, of servers and of proxies.
func proxyClients(t *testing.T, h2 bool, change ...func(*http.Transport)) map[string]*http.Client {
	t.Helper()
	own := []string{"http/1.1"}
	if h2 {
		own = both
	}
	byURL := func(cfg *ssl.Config) { cfg.ServerName = "" }
	c := client(t, clientCtx(t, ssltest.Protos(own...), byURL), change...)
	std := stdClient(t, h2, func(cfg *tls.Config) {
		cfg.ServerName, cfg.ClientSessionCache = "", tls.NewLRUClientSessionCache(8)
		if !h2 {
			cfg.NextProtos = own
		}
	})
	for _, f := range change {
		f(std.Transport.(*http.Transport))
	}
	return map[string]*http.Client{"net/http": std, "httpssl": c}
}

func ownTransport(c *http.Client) *httpssl.Transport { return c.Transport.(*httpssl.Transport) }
