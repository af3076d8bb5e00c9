// Package resp stands between a database and valkey-go. It looks at what the database sends before
// valkey-go reads it: that takes memory for any length that a reply announces, and its own goroutines
// panic, which ends the process, when there is a reply to no question, or an answer of another form
// than the question has.
package resp

import (
	"errors"
	"fmt"
	"net"
	"sync"
)

// ErrProtocol says that the database sent what no reply to the questions can be.
var ErrProtocol = errors.New("not a reply")

func protocolError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

// ErrReadOnly says that the connection was ended: see Conn.Leave.
var ErrReadOnly = errors.New("the connection has ended, because the database took no writes on it")

// Conn is a connection to a database. Its first error remains: nothing that follows can be told apart.
type Conn struct {
	net.Conn

	// Leave, unless it is nil, is asked after an answer that the database is a replica, which takes no writes,
	// and reports whether the connection ends behind it: another one may lead to the node that takes some.
	Leave func() bool

	mu      sync.Mutex // guards what follows; Read and Write may run at once
	asked   asked
	out     outgoing
	in      incoming
	refused error
}

// NewConn returns a Conn over c. A reply has at most max bytes.
func NewConn(c net.Conn, max int) *Conn {
	g := &Conn{Conn: c}
	g.in.max, g.in.asked = max, &g.asked
	g.out.asked = &g.asked
	return g
}

// Read reads from the database. If a byte of what it has read cannot belong to a reply, it returns none
// of them.
func (g *Conn) Read(p []byte) (int, error) {
	if err := g.ended(); err != nil {
		return 0, err
	}
	n, err := g.Conn.Read(p)
	if n == 0 {
		return n, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refused == nil {
		g.refused = g.in.take(p[:n])
	}
	if g.refused != nil {
		clear(p[:n])
		return 0, g.refused
	}
	if g.asked.readOnly && g.Leave != nil && g.Leave() {
		g.refused = ErrReadOnly
	}
	g.asked.readOnly = false
	return n, err
}

func (g *Conn) ended() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refused
}

// Write writes whole commands, or parts of them.
func (g *Conn) Write(p []byte) (int, error) {
	if err := g.sends(p); err != nil {
		return 0, err
	}
	return g.Conn.Write(p)
}

func (g *Conn) sends(p []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refused == nil {
		g.refused = g.out.take(p)
	}
	return g.refused
}
