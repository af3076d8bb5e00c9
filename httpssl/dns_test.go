package httpssl_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"sessl/internal/ssltest"
)

// names is a resolver. Every name that ends in .test or .example is this machine; all others do
// not exist. It remembers the questions.
type names struct {
	*net.Resolver
	mu    sync.Mutex
	asked map[string]bool
}

func startNames(t testing.TB) *names {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &names{asked: map[string]bool{}}
	n.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, 512)
		for {
			k, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			if answer := n.answer(b[:k]); answer != nil {
				pc.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() { pc.Close(); <-ended })
	return n
}

// answer makes a response to a query (RFC 1035, section 4).
func (n *names) answer(q []byte) []byte {
	if len(q) < 12 {
		return nil
	}
	var labels []string
	at := 12
	for at < len(q) && q[at] != 0 && at+1+int(q[at]) < len(q) {
		labels = append(labels, string(q[at+1:at+1+int(q[at])]))
		at += 1 + int(q[at])
	}
	at += 5 // the root, type and class
	if at > len(q) {
		return nil
	}
	name := strings.Join(labels, ".")
	n.mu.Lock()
	n.asked[name] = true
	n.mu.Unlock()
	out := append([]byte{}, q[:at]...)
	out[2], out[3] = 0x81, 0x80 // a response; recursion was wanted and is available
	clear(out[6:12])
	known := strings.HasSuffix(name, ".test") || strings.HasSuffix(name, ".example")
	if !known {
		out[3] |= 3 // no such name
		return out
	}
	if q[at-3] == 1 { // an A
		out[7] = 1
		out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1)
	}
	return out
}

func (n *names) wasAsked(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked[name]
}

// dialer returns a dialer that looks names up there.
func (n *names) dialer() *net.Dialer {
	return &net.Dialer{Resolver: n.Resolver, Timeout: ssltest.Timeout}
}
