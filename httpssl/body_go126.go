//go:build !go1.27

package httpssl

import (
	"io"
	"net/http"
	"sync"
)

// A body is the body of a request that may go to two transports, one after the other. The first
// transport may have closed it because its protocol was the wrong one.
type body struct {
	r    *http.Request
	kept *keptBody // nil if GetBody returns another, or there is no body
}

func bodyOf(r *http.Request) body {
	b := body{r: r}
	if r.Body != nil && r.Body != http.NoBody && r.GetBody == nil {
		b.kept = &keptBody{ReadCloser: r.Body}
	}
	return b
}

// first makes out send the body. A body that GetBody can return again is sent unchanged:
// net/http knows the types of some bodies, and sends these together with the headers.
func (b body) first(out *http.Request) {
	if b.kept != nil {
		out.Body = b.kept
	}
}

// again is first for another transport.
func (b body) again(out *http.Request) error {
	if b.kept != nil {
		b.kept.unclose()
		out.Body = b.kept
		return nil
	}
	if b.r.GetBody == nil {
		return nil
	}
	fresh, err := b.r.GetBody()
	if err == nil {
		out.Body = fresh
	}
	return err
}

// keptBody is a body that cannot be read again. Its Close is held back until the request has a
// connection. From then on Close closes the body, because net/http uses Close to end a Read of
// it.
type keptBody struct {
	io.ReadCloser
	mu     sync.Mutex
	free   bool // Close is no longer held back
	closed bool // Close was called
}

// Close closes the body, now or in release.
func (b *keptBody) Close() error {
	b.mu.Lock()
	b.closed = true
	free := b.free
	b.mu.Unlock()
	if !free {
		return nil
	}
	return b.ReadCloser.Close()
}

// unclose forgets a Close that was held back.
func (b *keptBody) unclose() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = b.closed && b.free
}

// release stops holding Close back, and closes the body if Close was called. It may be called
// again.
func (b *keptBody) release() {
	if b == nil {
		return
	}
	b.mu.Lock()
	owed := b.closed && !b.free
	b.free = true
	b.mu.Unlock()
	if owed {
		b.ReadCloser.Close()
	}
}
