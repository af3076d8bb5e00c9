//go:build !go1.27

package httpssl

import (
	"context"
	"maps"
	"net/url"
	"sync"
)

// hosts records which addresses speak HTTP/2, and wakes the dials that wait to know it. The
// zero value is ready.
type hosts struct {
	mu     sync.Mutex
	m      map[string]*host
	wanted context.Context // of the dials without a waiting request; nil if there was none
	end    context.CancelFunc
}

// A host is the entry of an address.
type host struct {
	h2    chan struct{} // closed when the address is known to speak HTTP/2
	known bool          // the same
	users int           // the entry stays while it has users
}

// maxHosts bounds the number of entries. A dropped entry costs only one more connection.
const maxHosts = 4096

// enter returns the entry of addr, which stays until leave is called.
func (hs *hosts) enter(addr string) (h *host, leave func()) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if h = hs.m[addr]; h == nil {
		if len(hs.m) >= maxHosts {
			maps.DeleteFunc(hs.m, func(_ string, h *host) bool { return h.users == 0 })
		}
		if hs.m == nil {
			hs.m = map[string]*host{}
		}
		h = &host{h2: make(chan struct{})}
		hs.m[addr] = h
	}
	h.users++
	return h, func() {
		hs.mu.Lock()
		defer hs.mu.Unlock()
		if h.users--; h.users == 0 && !h.known && hs.m[addr] == h {
			delete(hs.m, addr)
		}
	}
}

// found notes that h speaks HTTP/2, and wakes all waiting dials.
func (hs *hosts) found(h *host) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if !h.known {
		h.known = true
		close(h.h2)
	}
}

// forget drops the entry of addr, so that its protocol is found out again.
func (hs *hosts) forget(addr string) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if h := hs.m[addr]; h != nil && h.known {
		delete(hs.m, addr)
	}
}

// speakH2 reports whether addr is known to speak HTTP/2.
func (hs *hosts) speakH2(addr string) bool {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	h := hs.m[addr]
	return h != nil && h.known
}

// whileWanted calls cancel when unwanted is called, until done is called.
func (hs *hosts) whileWanted(cancel func()) (done func()) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if hs.wanted == nil {
		hs.wanted, hs.end = context.WithCancel(context.Background())
	}
	stop := context.AfterFunc(hs.wanted, cancel)
	return func() { stop() }
}

// unwanted ends the dials without a waiting request, as net/http does when idle connections are
// closed.
func (hs *hosts) unwanted() {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if hs.end != nil {
		hs.end()
		hs.wanted, hs.end = nil, nil
	}
}

func httpsURL(addr string) *url.URL { return &url.URL{Scheme: "https", Host: addr, Path: "/"} }
