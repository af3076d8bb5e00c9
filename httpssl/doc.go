// Package httpssl serves and sends HTTP/1.1 and HTTP/2 over package ssl, with net/http's
// own server, transport and HTTP/2.
//
// # Servers
//
// Serve and ListenAndServe take an http.Server and a server's Ctx in the place of the
// certificate files. In a handler, r.TLS is filled, and ssl.ConnFromContext(r.Context())
// is the connection with its session. Timeouts, Shutdown, hijacking and the rest are
// http.Server's.
//
// # Clients
//
// NewTransport makes an http.RoundTripper whose connections come from an ssl.Dialer.
//
// # Early data
//
// Both sides can use early data (0-RTT), which saves a round trip and can be replayed: a
// server's handler by EarlyData, a client by the field of that name of Transport. Neither does
// so unless it is told to.
//
// # HTTP/2
//
// HTTP/2 is spoken where it was negotiated, and nowhere else. That needs "h2" in the
// NextProtos of the Ctx, usually as []string{"h2", "http/1.1"}: this package does not add it, as
// net/http does to a tls.Config. It leaves out what the server or transport does not speak.
//
// net/http knows only crypto/tls's connections as TLS up to Go 1.26. There, this package
// lets it take ours for plain ones that speak HTTP/2 with prior knowledge, checks that
// each speaks what was negotiated, and fills r.TLS itself. From Go 1.27 on, net/http asks
// any connection for its state. What users of this package see is the same.
package httpssl
