package httpssl

import (
	"net/http"

	"sessl/ssl"
)

// NewServerCtx makes a server's Ctx for Serve, by ssl.NewServerCtx. It takes a copy of cfg; if that
// has no NextProtos, it accepts HTTP/2 and HTTP/1.1. A Ctx that cfg.GetConfigForClient chooses is
// used unchanged. The Ctx is the caller's, who closes it.
func NewServerCtx(cfg *ssl.Config) (*ssl.Ctx, error) {
	if cfg == nil {
		return nil, &ssl.Error{Op: "httpssl.NewServerCtx", Err: ssl.ErrNil}
	}
	return ssl.NewServerCtx(withProtos(cfg))
}

// NewClientTransport makes a Transport with a client's Ctx of its own, by ssl.NewClientCtx and
// NewTransport, with the settings of http.DefaultTransport. It takes a copy of cfg, which may be nil
// for the zero Config; if that has no NextProtos, it offers HTTP/2 and HTTP/1.1. The caller must
// Close the Transport.
func NewClientTransport(cfg *ssl.Config) (*Transport, error) {
	if cfg == nil {
		cfg = &ssl.Config{}
	}
	ctx, err := ssl.NewClientCtx(withProtos(cfg))
	if err != nil {
		return nil, err
	}
	t, err := NewTransport(&ssl.Dialer{Ctx: ctx}, nil)
	if err != nil {
		ctx.Close()
		return nil, err
	}
	t.own = ctx
	return t, nil
}

// Close is CloseIdleConnections, and closes the Ctx if NewClientTransport has made it. Requests that
// have a connection go on; new connections fail with ssl.ErrClosed. Later calls do the same.
func (t *Transport) Close() error {
	t.CloseIdleConnections()
	if t == nil || t.own == nil {
		return nil
	}
	return t.own.Close()
}

// Ctx returns the Ctx that the Transport dials with, for its Stats, LastFailures and debug pages. Close
// closes it if NewClientTransport has made it. It is nil for a nil or zero Transport.
func (t *Transport) Ctx() *ssl.Ctx {
	if t == nil {
		return nil
	}
	return t.dialer.Ctx
}

// withProtos returns a copy of cfg that has protocols.
func withProtos(cfg *ssl.Config) *ssl.Config {
	c := *cfg
	if len(c.NextProtos) == 0 {
		c.NextProtos = []string{protoH2, "http/1.1"}
	}
	return &c
}

// noHTTP2 is logged once for a server or a transport that would speak HTTP/2, over a Ctx without
// protocols: they were probably forgotten. A Ctx that names only http/1.1 is meant so.
const noHTTP2 = "httpssl: HTTP/2 is not spoken, because the Ctx has no NextProtos: " +
	"%s adds h2 and http/1.1; set http/1.1 alone for no HTTP/2 and no warning"

// warn says once that srv, which h was made for, does not speak HTTP/2 over ctx.
func (h *handler) warn(srv *http.Server, ctx *ssl.Ctx) {
	if h.protocols.http2 && len(ctx.NextProtos()) == 0 {
		h.warned.Do(func() { logf(srv)(noHTTP2, "httpssl.NewServerCtx") })
	}
}
