package httpssl_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"sessl/httpssl"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// exampleWebServer serves on loopback; stop ends it.
func exampleWebServer() (url string, stop func()) { return exampleServerOf(&ssl.Config{}) }

func exampleEarlyServer() (url string, stop func()) {
	return exampleServerOf(&ssl.Config{MaxEarlyData: 4096})
}

func exampleServerOf(cfg *ssl.Config) (url string, stop func()) {
	cert, err := ssl.LoadX509KeyPair(ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key"))
	if err != nil {
		log.Fatal(err)
	}
	cfg.Certificates, cfg.NextProtos = []ssl.Certificate{cert}, []string{"h2", "http/1.1"}
	ctx, err := ssl.NewServerCtx(cfg)
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	srv := &http.Server{Handler: httpssl.EarlyData(http.NotFoundHandler(), nil)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		httpssl.Serve(srv, l, ctx)
	}()
	return "https://" + l.Addr().String(), func() {
		srv.Close()
		<-done
		ctx.Close()
	}
}

// A server of HTTP/1.1 and HTTP/2 whose handlers see the connection.
func ExampleServe() {
	cert, err := ssl.LoadX509KeyPair("../testdata/certs/server-ecdsa.pem", "../testdata/certs/server-ecdsa.key")
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewServerCtx(&ssl.Config{
		Certificates: []ssl.Certificate{cert},
		NextProtos:   []string{"h2", "http/1.1"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	srv := &http.Server{
		ReadHeaderTimeout: 10 * time.Second, // bounds the handshake, too
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _ := ssl.ConnFromContext(r.Context())
			fmt.Fprintln(w, r.Proto, "resumed:", conn.SessionReused())
		}),
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // or httpssl.ListenAndServe
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- httpssl.Serve(srv, l, ctx) }()

	fmt.Print(get("https://" + l.Addr().String()))
	srv.Close()
	fmt.Println(<-done)
	// Output:
	// HTTP/2.0 resumed: false
	// http: Server closed
}

// get is a client for ExampleServe.
func get(url string) string {
	roots, err := ssl.LoadCertPool(ssltest.CertFile("ca.pem"))
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	tr, err := httpssl.NewTransport(&ssl.Dialer{Ctx: ctx}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	return string(b)
}

// A client of HTTP/1.1 and HTTP/2; the server chooses.
func ExampleNewTransport() {
	url, stop := exampleWebServer()
	defer stop()
	roots, err := ssl.LoadCertPool("../testdata/certs/ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	tr, err := httpssl.NewTransport(&ssl.Dialer{Ctx: ctx}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr, Timeout: time.Minute}
	resp, err := client.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	fmt.Println(resp.Proto, resp.Status, ssl.VersionName(resp.TLS.Version))
	// Output: HTTP/2.0 404 Not Found TLS 1.3
}

// Early data is for requests that may be done twice. Other requests are refused until the
// handshake is complete, and so are those that only the handler recognizes.
func ExampleEarlyData() {
	mux := http.NewServeMux()
	mux.HandleFunc("/next", func(w http.ResponseWriter, r *http.Request) {
		if httpssl.TooEarly(w, r) { // a GET, but one that changes something
			return
		}
		fmt.Fprintln(w, "the next one")
	})
	srv := &http.Server{Handler: httpssl.EarlyData(mux, nil)}
	fmt.Println(httpssl.Configure(srv)) // or Serve, with a Ctx that has MaxEarlyData
	// Output: <nil>
}

// Requests that may be done twice are sent with the first flight of a connection that resumes.
func ExampleTransport_earlyData() {
	roots, err := ssl.LoadCertPool("../testdata/certs/ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots, NextProtos: []string{"http/1.1"}})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	tr, err := httpssl.NewTransport(&ssl.Dialer{Ctx: ctx}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer tr.CloseIdleConnections()
	tr.EarlyData = func(r *http.Request) bool {
		// r is a GET, HEAD or OPTIONS without a body. Credentials are not sent early.
		return r.Header.Get("Authorization") == "" && r.Header.Get("Cookie") == ""
	}
	url, stop := exampleEarlyServer()
	defer stop()
	client := &http.Client{Transport: tr, Timeout: time.Minute}
	for range 2 {
		resp, err := client.Get(url)
		if err != nil {
			log.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		client.CloseIdleConnections() // so that there is a new connection
	}
	fmt.Println(ctx.EarlyDataStats().Accepted, "of 2 went early")
	// Output: 1 of 2 went early
}

func ExampleNewDebugHandler() {
	ctx, err := ssl.NewClientCtx(&ssl.Config{ServerName: "backend.example"})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	h := httpssl.NewDebugHandler(map[string]*ssl.Ctx{"backend": ctx},
		&httpssl.DebugOptions{DocsURL: "https://git.example/sessl/docs/"})
	r := httptest.NewRequest("GET", "/debug/tls", nil)
	for _, accept := range []string{"*/*", "text/html"} {
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		fmt.Println(w.Header().Get("Content-Type"))
	}
	// Output:
	// application/json
	// text/html; charset=utf-8
}
