//go:build !go1.27

package httpssl

import (
	"context"
	"net/http/httptrace"
)

// attemptTrace returns a context whose httptrace sees one request, although two transports try
// it one after the other. got is called as soon as the request has a connection.
func attemptTrace(ctx context.Context, first bool, got func()) context.Context {
	trace := httptrace.ClientTrace{}
	if user := httptrace.ContextClientTrace(ctx); user != nil {
		trace = *user
		ctx = traceless{ctx}
	}
	if !first {
		trace.GetConn = nil // it was called by the first attempt
	}
	gotConn := trace.GotConn
	trace.GotConn = func(i httptrace.GotConnInfo) {
		got()
		if c, ok := i.Conn.(*clientConn); ok && c.handedOver.CompareAndSwap(true, false) {
			i.Reused, i.WasIdle, i.IdleTime = false, false, 0
		}
		if gotConn != nil {
			gotConn(i)
		}
	}
	return httptrace.WithClientTrace(ctx, &trace)
}
