package monkey_test

import (
	"net"
	"sync"
	"testing"

	"sessl/internal/ssltest"
)

// rough is a connection that cuts the data written through it, and may change a byte, lose the
// rest, or end.
type rough struct {
	net.Conn
	mu    sync.Mutex
	r     chance
	harm  int // after so many bytes it does harm to them; negative: never
	lost  bool
	piece int // the most that it writes at once
}

func newRough(r chance, c net.Conn) net.Conn {
	w := &rough{Conn: c, r: r, harm: -1, piece: pick(r, []int{1, 7, 64, 1 << 16})}
	if r.oneIn(3) {
		w.harm = r.IntN(5000)
	}
	return w
}

// next decides what happens to the first bytes of b.
func (w *rough) next(b []byte) (out []byte, taken int, end bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(b), w.piece)
	if w.lost {
		return nil, n, false
	}
	out = append([]byte(nil), b[:n]...)
	if w.harm < 0 || w.harm >= n {
		w.harm = max(w.harm-n, -1)
		return out, n, false
	}
	at := w.harm
	w.harm = -1
	switch w.r.IntN(4) {
	case 0, 1:
		out[at] ^= 1 << w.r.IntN(8)
	case 2:
		w.lost = true
		out = out[:at]
	case 3:
		return out[:at], n, true
	}
	return out, n, false
}

func (w *rough) Write(b []byte) (n int, err error) {
	for n < len(b) {
		out, taken, end := w.next(b[n:])
		if m, err := w.Conn.Write(out); err != nil {
			return n + m, err
		}
		n += taken
		if end {
			w.Conn.Close()
			return n, nil
		}
	}
	return n, nil
}

// ends makes a connection of a random sort. Each of its ends may be rough.
func ends(t testing.TB, r chance) (a, b net.Conn) {
	if r.oneIn(3) {
		a, b = net.Pipe()
	} else {
		a, b = ssltest.TCPPipe(t)
		if r.oneIn(4) {
			a, b = ssltest.Plain{Conn: a}, ssltest.Plain{Conn: b}
		}
	}
	if r.oneIn(2) {
		a = newRough(r.fork(), a)
	}
	if r.oneIn(2) {
		b = newRough(r.fork(), b)
	}
	return a, b
}

// fork returns a source for another goroutine.
func (r chance) fork() chance { return newChance(r.Uint64(), 0, 0) }
