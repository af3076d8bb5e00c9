package httpssl

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
)

// asciiHost returns r with its host in ASCII: the name that is looked up, sent to the server
// and verified. Letters beyond ASCII are mapped by net/http's own copy of package idna, with
// its Lookup profile. If there are no such letters, or they make no name, r itself is returned.
//
// net/http does the same when it dials. But its HTTP/2 looks for connections with another
// profile, which keeps capitals, and never finds connections to "BÜCHER.example".
func asciiHost(r *http.Request) *http.Request {
	if r.URL == nil {
		return r
	}
	mapped := asciiURL(r.URL)
	if mapped == r.URL {
		return r
	}
	out := r.WithContext(r.Context())
	if r.Host == r.URL.Host {
		out.Host = mapped.Host
	}
	out.URL = mapped
	return out
}

// asciiURL is asciiHost for a URL.
func asciiURL(u *url.URL) *url.URL {
	if isASCII(u.Host) {
		return u
	}
	addr, ok := dialedAddr(u)
	if !ok || !isASCII(addr) {
		return u
	}
	out := *u
	out.Host = addr
	if u.Port() == "" {
		out.Host, _, _ = net.SplitHostPort(addr)
	}
	return &out
}

// dialedAddr returns the address that net/http dials for u. A transport without connections
// passes it to its dial function.
func dialedAddr(u *url.URL) (addr string, ok bool) {
	tr := http.Transport{DialTLSContext: func(_ context.Context, _, a string) (net.Conn, error) {
		addr, ok = a, true
		return nil, errNotDialed
	}}
	resp, err := tr.RoundTrip(&http.Request{Method: "GET", URL: &url.URL{Scheme: "https", Host: u.Host},
		Header: http.Header{}})
	if err == nil {
		resp.Body.Close()
	}
	return addr, ok
}

var errNotDialed = errors.New("httpssl: not dialed")

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
