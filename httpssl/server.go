package httpssl

import (
	"context"
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"reflect"
	"slices"
	"sync"

	"sessl/ssl"
)

// ListenAndServe listens on srv.Addr, ":https" if it is empty, and calls Serve.
func ListenAndServe(srv *http.Server, ctx *ssl.Ctx) error {
	if srv == nil || ctx == nil {
		return &ssl.Error{Op: "httpssl.ListenAndServe", Err: ssl.ErrNil}
	}
	addr := srv.Addr
	if addr == "" {
		addr = ":https"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return Serve(srv, l, ctx)
}

// Serve serves HTTP/1.1 and HTTP/2 over TLS to the clients of l, until l or srv is closed. It
// closes l and always returns an error, http.ErrServerClosed after Shutdown and Close. It may
// be called for several listeners. ctx, a server's, stays the caller's and must stay open
// meanwhile.
//
// A client has half a minute for the handshake, or the time of [ssl.Config].HandshakeTimeout,
// or the least of ReadHeaderTimeout, ReadTimeout and WriteTimeout, as in net/http. After the
// handshake only these three and IdleTimeout limit the client, and they begin then: set
// ReadHeaderTimeout and IdleTimeout. All other fields of srv work as in net/http, with two
// exceptions. TLSConfig is refused. Implementations that register themselves in TLSNextProto,
// as golang.org/x/net/http2 does, are not used.
//
// Serve calls Configure. If srv.Protocols is nil, srv speaks HTTP/1.1, and HTTP/2 if ctx has
// "h2" among its NextProtos. Protocols that srv does not speak are not negotiated, whatever
// turns them off: Protocols, a TLSNextProto without "h2", GODEBUG=http2server=0. If srv speaks
// only HTTP/2, a ctx without "h2" is refused. If it would speak HTTP/2, and ctx has no NextProtos
// at all, the server's ErrorLog says so once: NewServerCtx makes a Ctx that has them.
func Serve(srv *http.Server, l net.Listener, ctx *ssl.Ctx) error {
	if srv == nil || l == nil || ctx == nil {
		return &ssl.Error{Op: "httpssl.Serve", Err: ssl.ErrNil}
	}
	defer l.Close()
	h, err := configure(srv)
	if err != nil {
		return err
	}
	if !h.protocols.http1 && !slices.Contains(ctx.NextProtos(), protoH2) {
		return badConfig("the http.Server speaks only HTTP/2, which the Ctx does not accept")
	}
	h.warn(srv, ctx)
	return srv.Serve(NewListener(l, ctx))
}

// NewListener returns a listener for the Serve method of an http.Server that Configure has
// prepared. Its Accept wraps the connections of inner, without waiting for the handshake.
func NewListener(inner net.Listener, ctx *ssl.Ctx) net.Listener {
	return listener{ssl.NewListener(inner, ctx), ctx}
}

type listener struct {
	net.Listener
	ctx *ssl.Ctx
}

// Accept returns the next connection, for net/http.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newConn(c.(*ssl.Conn), l.ctx), nil
}

// Configure prepares srv for connections of NewListener: it wraps srv.Handler, to fill r.TLS,
// and srv.ConnContext, for ssl.ConnFromContext, and sets srv.Protocols. A second call does
// nothing. Handler and Protocols must be set before. srv must not be changed afterwards, and
// must not serve other listeners: on Go 1.26 it would accept HTTP/2 without TLS there.
//
// Configure refuses a TLSConfig with settings, because the Ctx has its own, and they would be
// ignored.
func Configure(srv *http.Server) error {
	if srv == nil {
		return &ssl.Error{Op: "httpssl.Configure", Err: ssl.ErrNil}
	}
	_, err := configure(srv)
	return err
}

// logf returns the function with which net/http logs errors of srv.
func logf(srv *http.Server) func(string, ...any) {
	if srv.ErrorLog != nil {
		return srv.ErrorLog.Printf
	}
	return log.Printf
}

// configuring prevents two Serves of one http.Server from preparing it twice.
var configuring sync.Mutex

func configure(srv *http.Server) (*handler, error) {
	configuring.Lock()
	defer configuring.Unlock()
	if h, ok := srv.Handler.(*handler); ok {
		return h, nil
	}
	if !emptyTLS(srv.TLSConfig) {
		return nil, badConfig("the http.Server's TLSConfig would be ignored: configure the Ctx")
	}
	h := &handler{inner: srv.Handler, protocols: serverProtocols(srv)}
	_, h.early = srv.Handler.(*earlyHandler)
	if h.protocols == (protocols{}) {
		return nil, badConfig("the http.Server speaks neither HTTP/1.1 nor HTTP/2")
	}
	srv.Handler = h
	srv.Protocols = netHTTPProtocols(h.protocols)
	hook := srv.ConnContext
	srv.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
		c, ok := nc.(*conn)
		if ok {
			c.server = h
			c.limit()
			h.warn(srv, c.base.ctx)
			ctx = context.WithValue(ssl.ConnContext(ctx, c.Conn), connKey{}, c)
		}
		if hook != nil {
			ctx = hook(ctx, nc)
		}
		if ok {
			c.begin(ctx, srv)
		}
		return ctx
	}
	return h, nil
}

type connKey struct{}

// serverProtocols returns the protocols that srv speaks over TLS, by net/http's rules: an empty
// TLSNextProto is the old way to turn HTTP/2 off.
func serverProtocols(srv *http.Server) protocols {
	p := protocols{http1: true, http2: srv.TLSNextProto == nil || srv.TLSNextProto[protoH2] != nil}
	if srv.Protocols != nil {
		p = protocols{http1: srv.Protocols.HTTP1(), http2: srv.Protocols.HTTP2()}
	}
	p.http2 = p.http2 && serverSpeaksH2()
	return p
}

// emptyTLS reports whether c has no settings except those that net/http itself makes.
func emptyTLS(c *tls.Config) bool {
	if c == nil {
		return true
	}
	c = c.Clone()
	c.NextProtos = nil
	c.PreferServerCipherSuites = false //lint:ignore SA1019 net/http sets it
	return reflect.DeepEqual(c, &tls.Config{})
}

// handler fills r.TLS if net/http has not, and marks a server as configured.
type handler struct {
	inner     http.Handler // nil means http.DefaultServeMux
	protocols protocols
	early     bool // inner was made by EarlyData
	warned    sync.Once
}

// ServeHTTP passes the request on.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.TLS == nil {
		if c, ok := r.Context().Value(connKey{}).(*conn); ok {
			r.TLS = c.state()
		}
	}
	inner := h.inner
	if inner == nil {
		inner = http.DefaultServeMux
	}
	inner.ServeHTTP(w, r)
}
