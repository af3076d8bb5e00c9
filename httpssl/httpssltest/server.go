// Package httpssltest serves HTTP over package ssl in tests, as net/http/httptest does over
// crypto/tls.
package httpssltest

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"

	"sessl/httpssl"
	"sessl/ssl"
)

// A Server is an HTTP server over TLS that listens on a port of the loopback interface. It speaks
// HTTP/1.1 and HTTP/2, and resumes.
type Server struct {
	// URL is https, the address and the port, without a slash at the end. Start sets it.
	URL string

	// Listener may be replaced before Start, which makes a TLS listener of it.
	Listener net.Listener

	// Config may be changed before Start, but for TLSConfig.
	Config *http.Server

	// TLS may be changed before Start. The server's Ctx is made from a copy, by
	// httpssl.NewServerCtx. Without Certificates and functions that return them, the copy gets a
	// new certificate for localhost, example.com, *.example.com, 127.0.0.1 and ::1.
	TLS *ssl.Config

	inner  *httptest.Server
	ctx    *ssl.Ctx
	cert   *x509.Certificate
	roots  *ssl.CertPool
	client *http.Client

	clientCtx *ssl.Ctx
}

// NewServer starts a Server with h. The caller must Close it. It panics if that is not possible,
// like httptest.NewServer, as do the other functions here.
func NewServer(h http.Handler) *Server {
	s := NewUnstartedServer(h)
	s.Start()
	return s
}

// NewUnstartedServer returns a Server that is not started, so that it can be changed. The caller
// must Start and Close it.
func NewUnstartedServer(h http.Handler) *Server {
	inner := httptest.NewUnstartedServer(h)
	return &Server{Listener: inner.Listener, Config: inner.Config, TLS: &ssl.Config{}, inner: inner}
}

// Start starts a Server of NewUnstartedServer.
func (s *Server) Start() {
	if s.URL != "" {
		panic("httpssltest: the Server has been started before")
	}
	cfg, err := s.prepare()
	if err != nil {
		panic(fmt.Sprintf("httpssltest: %v", err))
	}
	if s.ctx, err = httpssl.NewServerCtx(cfg); err != nil {
		panic(fmt.Sprintf("httpssltest: %v", err))
	}
	if err := httpssl.Configure(s.Config); err != nil {
		panic(fmt.Sprintf("httpssltest: %v", err))
	}
	s.inner.Config, s.inner.Listener = s.Config, httpssl.NewListener(s.Listener, s.ctx)
	if err := s.makeClient(); err != nil {
		panic(fmt.Sprintf("httpssltest: %v", err))
	}
	s.inner.Start()
	s.URL = "https://" + s.Listener.Addr().String()
}

// prepare returns the Config to serve with, and notes what clients trust.
func (s *Server) prepare() (*ssl.Config, error) {
	cfg := &ssl.Config{}
	if s.TLS != nil {
		c := *s.TLS
		cfg = &c
	}
	s.roots = ssl.NewCertPool()
	if len(cfg.Certificates) == 0 && cfg.GetCertificate == nil && cfg.GetConfigForClient == nil {
		cert, err := newCertificate()
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []ssl.Certificate{cert}
	}
	if len(cfg.Certificates) > 0 {
		s.cert = cfg.Certificates[0].Leaf()
		s.roots.AddCert(s.cert)
	}
	return cfg, nil
}

// makeClient makes the client, which goes around all proxies.
func (s *Server) makeClient() error {
	var err error
	s.clientCtx, err = ssl.NewClientCtx(&ssl.Config{RootCAs: s.roots, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		return err
	}
	tr, err := httpssl.NewTransport(&ssl.Dialer{Ctx: s.clientCtx}, &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == "example.com:443" || strings.HasSuffix(addr, ".example.com:443") {
				addr = s.Listener.Addr().String()
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	})
	if err != nil {
		return err
	}
	s.client = &http.Client{Transport: tr}
	return nil
}

// Client returns a client that trusts the server's first certificate, and that resumes. It finds
// the server at its URL, and as example.com and its subdomains. Close closes its idle connections.
func (s *Server) Client() *http.Client { return s.client }

// Certificate returns the server's first certificate, which may be its own issuer, or nil if
// TLS has functions that choose one.
func (s *Server) Certificate() *x509.Certificate { return s.cert }

// Ctx returns the server's Ctx, for its Stats. Close closes it.
func (s *Server) Ctx() *ssl.Ctx { return s.ctx }

// CloseClientConnections closes all open connections.
func (s *Server) CloseClientConnections() { s.inner.CloseClientConnections() }

// Close ends the server, and waits for all requests to end. Later calls do nothing.
func (s *Server) Close() {
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
	s.inner.Listener = s.Listener // what Start has not wrapped
	s.inner.Close()
	s.ctx.Close()
	s.clientCtx.Close()
}
