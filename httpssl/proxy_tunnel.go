package httpssl

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"sessl/ssl"
)

// proxyHooks are the fields of the base transport for CONNECT requests.
type proxyHooks struct {
	header    http.Header
	getHeader func(context.Context, *url.URL, string) (http.Header, error)
	answered  func(context.Context, *url.URL, *http.Request, *http.Response) error
	maxAnswer int64 // bytes of the answer's header
}

func proxyHooksOf(base *http.Transport) proxyHooks {
	h := proxyHooks{base.ProxyConnectHeader, base.GetProxyConnectHeader, base.OnProxyConnectResponse,
		base.MaxResponseHeaderBytes}
	if h.maxAnswer <= 0 {
		h.maxAnswer = 10 << 20 // net/http's default
	}
	return h
}

// tunnelTimeout is net/http's limit for the answer of a proxy, whatever else bounds it.
const tunnelTimeout = time.Minute

// proxyError returns err as net/http returns errors of a proxy.
func proxyError(err error) error { return &net.OpError{Op: "proxyconnect", Net: "tcp", Err: err} }

// tunnel returns a connection to the server at rt.target through the proxy. The caller owns it.
func (t *Transport) tunnel(ctx context.Context, rt *route) (net.Conn, error) {
	conn, err := t.dialProxy(ctx, rt)
	if err != nil {
		return nil, proxyError(err)
	}
	ctx, cancel := context.WithTimeout(ctx, tunnelTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	if rt.proxy.Scheme == "http" || rt.proxy.Scheme == "https" {
		err = t.hooks.ask(ctx, conn, rt)
	} else {
		err = askSOCKS(conn, rt)
	}
	if !stop() { // the connection has been closed
		err = proxyError(context.Cause(ctx))
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// dialProxy connects to the proxy: with TLS if its URL says https, which must be by HTTP/1.1.
func (t *Transport) dialProxy(ctx context.Context, rt *route) (net.Conn, error) {
	d := t.dialer
	if rt.proxy.Scheme == "https" {
		d.SessionGroup = "" // it is for the servers
		c, err := t.connect(ctx, &d, "tcp", rt.addr, protocols{http1: true})
		if err != nil {
			return nil, err
		}
		if err := c.traced(ctx, func() error { return c.shake(ctx) }); err != nil {
			return nil, err
		}
		return c.Conn, nil
	}
	dial := d.DialFunc
	if dial == nil {
		dial = d.NetDialer.DialContext
	}
	conn, err := dial(ctx, "tcp", rt.addr)
	if err == nil && conn == nil {
		err = ssl.ErrNil
	}
	return conn, err
}

// ask sends a CONNECT request, and reads the answer.
func (h proxyHooks) ask(ctx context.Context, conn net.Conn, rt *route) error {
	header := h.header
	if h.getHeader != nil {
		var err error
		if header, err = h.getHeader(ctx, rt.proxy, rt.target); err != nil {
			return err
		}
	}
	if header = header.Clone(); header == nil {
		header = http.Header{}
	}
	if u := rt.proxy.User; u != nil {
		password, _ := u.Password()
		header.Set("Proxy-Authorization",
			"Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)))
	}
	r := &http.Request{Method: "CONNECT", URL: &url.URL{Opaque: rt.target}, Host: rt.target, Header: header}
	if err := r.Write(conn); err != nil {
		return proxyError(fmt.Errorf("CONNECT %s: %w", rt.target, err))
	}
	answer := bufio.NewReader(&io.LimitedReader{R: conn, N: h.maxAnswer})
	resp, err := http.ReadResponse(answer, r)
	if err != nil {
		return proxyError(fmt.Errorf("CONNECT %s: %w", rt.target, err))
	}
	if h.answered != nil {
		if err := h.answered(ctx, rt.proxy, r, resp); err != nil {
			return err
		}
	}
	if resp.StatusCode != http.StatusOK {
		return proxyError(fmt.Errorf("CONNECT %s: the proxy %s answered %q", rt.target, rt.addr, resp.Status))
	}
	if n := answer.Buffered(); n > 0 { // a server says nothing before the ClientHello
		return proxyError(fmt.Errorf("CONNECT %s: the proxy %s sent %d bytes behind its answer",
			rt.target, rt.addr, n))
	}
	return nil
}
