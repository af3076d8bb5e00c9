// Package httpssl serves and sends HTTP/1.1 and HTTP/2 over package ssl, with net/http's
// own server, transport and HTTP/2.
//
// # Servers
//
// Serve and ListenAndServe take an http.Server, and a server's Ctx instead of certificate
// files. In a handler, r.TLS is filled, and ssl.ConnFromContext(r.Context()) is the connection
// with its session. Timeouts, Shutdown, hijacking and the rest are http.Server's.
//
// # Clients
//
// NewClientTransport makes an http.RoundTripper. NewTransport makes one whose connections come
// from an ssl.Dialer, with settings of an http.Transport. Both use proxies as net/http does.
//
// # Early data
//
// Both sides can use early data (0-RTT), which saves a round trip and can be replayed. A
// server's handler opts in with EarlyData, a client with the field EarlyData of Transport.
//
// # HTTP/2
//
// HTTP/2 is spoken only where it was negotiated. That needs "h2" in the NextProtos of the Ctx,
// usually as []string{"h2", "http/1.1"}: NewServerCtx and NewClientTransport add both where there
// are none, as net/http does to a tls.Config. This package leaves out protocols that the server or
// transport does not speak, and a WebSocket gets a connection of HTTP/1.1.
//
// Up to Go 1.26, net/http recognizes only the connections of crypto/tls as TLS. There, this
// package lets net/http take ours for plain connections that speak HTTP/2 with prior knowledge,
// checks that each speaks the negotiated protocol, and fills r.TLS itself. From Go 1.27 on,
// net/http asks any connection for its state. For users of this package there is no difference.
package httpssl
