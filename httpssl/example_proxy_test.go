package httpssl_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"

	"sessl/httpssl"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// exampleProxy is a proxy for CONNECT; stop ends it.
func exampleProxy() (proxy *url.URL, stop func()) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, "no such server", http.StatusBadGateway)
			return
		}
		defer up.Close()
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { io.Copy(c, up); c.Close() }()
		io.Copy(up, c)
	}))
	proxy, err := url.Parse(s.URL)
	if err != nil {
		log.Fatal(err)
	}
	return proxy, s.Close
}

// A client that goes through a proxy of its own. Without a base, it goes through that of the
// environment, if there is one.
func ExampleNewTransport_proxy() {
	server, stop := exampleWebServer()
	defer stop()
	proxy, stopProxy := exampleProxy()
	defer stopProxy()
	roots, err := ssl.LoadCertPool(ssltest.CertFile("ca.pem"))
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	proxy.User = url.UserPassword("user", "secret")
	tr, err := httpssl.NewTransport(&ssl.Dialer{Ctx: ctx}, &http.Transport{Proxy: http.ProxyURL(proxy)})
	if err != nil {
		log.Fatal(err)
	}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get(server)
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	fmt.Println(resp.Proto, resp.Status, "through the proxy")
	// Output: HTTP/2.0 404 Not Found through the proxy
}
