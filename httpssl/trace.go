package httpssl

import (
	"context"
	"net/http/httptrace"
	"sync"
)

// traceless is a context without its httptrace: WithClientTrace would otherwise call the hooks
// of both.
type traceless struct{ context.Context }

func (c traceless) Value(key any) any {
	if key == traceKey() {
		return nil
	}
	return c.Context.Value(key)
}

// traceKey is the key with which httptrace looks up its hooks in a context.
var traceKey = sync.OnceValue(func() any {
	var r keyRecorder
	httptrace.ContextClientTrace(&r)
	return r.key
})

type keyRecorder struct {
	context.Context
	key any
}

func (r *keyRecorder) Value(key any) any {
	r.key = key
	return nil
}
