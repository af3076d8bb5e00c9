package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"

	"sessl/httpssl"
	"sessl/ssl"
)

// debugAddress is the address for --debug. A port alone, with or without a colon, is one of this machine
// only.
func debugAddress(s string) (string, error) {
	if _, err := strconv.ParseUint(s, 10, 16); err == nil {
		return net.JoinHostPort("127.0.0.1", s), nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", usagef("--debug %q is neither a port nor an address with a port", s)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// showDebugPage is debugPage, and prints where the page is.
func (s *server) showDebugPage(addr string, ctx *ssl.Ctx, errs io.Writer) (stop func(), err error) {
	url, stop, err := debugPage(addr, ctx, errs)
	if err == nil {
		fmt.Fprintln(s, "debug page on", url)
	}
	return stop, err
}

// debugPage serves the page of httpssl.DebugHandler, without TLS, until stop is called. It returns the
// page's URL.
func debugPage(addr string, ctx *ssl.Ctx, errs io.Writer) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", nil, fmt.Errorf("--debug: %w", err)
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		fmt.Fprintf(errs, "sessl serve: warning: whoever reaches %s sees the addresses of clients, and errors; "+
			"--debug with a port alone is for this machine only\n", l.Addr())
	}
	srv := &http.Server{
		Handler:           httpssl.DebugHandler(map[string]*ssl.Ctx{"serve": ctx}),
		ReadHeaderTimeout: handshakeTimeout,
		ReadTimeout:       handshakeTimeout,
		WriteTimeout:      handshakeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(errs, "sessl serve: debug page: ", 0),
	}
	var busy sync.WaitGroup
	busy.Go(func() { srv.Serve(l) })
	return "http://" + l.Addr().String() + "/", func() { srv.Close(); busy.Wait() }, nil
}
