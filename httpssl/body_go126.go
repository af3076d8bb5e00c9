//go:build !go1.27

package httpssl

import (
	"io"
	"net/http"
	"sync"
)

// keptBody is a request's body that survives a transport which closes it before anything
// was sent, because its protocol was the wrong one.
type keptBody struct {
	io.ReadCloser
	mu     sync.Mutex
	held   bool // Close is only remembered
	closed bool
}

func keepBody(r *http.Request) *keptBody {
	b := &keptBody{ReadCloser: r.Body, held: true}
	if r.Body == nil {
		b.ReadCloser = http.NoBody
	}
	return b
}

// Close closes the body, now or when it is no longer held.
func (b *keptBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.held {
		return nil
	}
	return b.ReadCloser.Close()
}

// again forgets a Close: another transport gets the body.
func (b *keptBody) again() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = false
}

// release ends the holding.
func (b *keptBody) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = false
	if b.closed {
		b.ReadCloser.Close()
	}
}
