package dbtest

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"
)

// A Fault is what a Proxy does with replies.
type Fault int

// The faults.
const (
	None    Fault = iota
	Silent        // neither questions nor replies are passed on
	Garbage       // other bytes instead of replies
	Half          // half of each piece of a reply, and the end of the connection
	Reset         // an end of each connection, and of new ones
	Shift         // an extra reply before each, so that each question gets the one before
)

// Proxy is a TCP proxy in front of a database.
type Proxy struct {
	Addr string

	t      testing.TB
	target string
	l      net.Listener
	life   context.Context
	jobs   sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed when fault or delay changes
	fault   Fault
	delay   time.Duration
	open    map[*net.TCPConn]bool
	dialed  int
}

// NewProxy returns a Proxy that passes everything on.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: l.Addr().String(), t: t, target: target, l: l, changed: make(chan struct{}),
		open: map[*net.TCPConn]bool{}}
	life, end := context.WithCancel(context.Background())
	p.life = life
	p.jobs.Go(p.accept)
	t.Cleanup(func() {
		end()
		l.Close()
		p.Cut()
		p.jobs.Wait()
	})
	return p
}

// Set changes what the Proxy does with replies, also on connections that are open.
func (p *Proxy) Set(f Fault, delay time.Duration) {
	p.mu.Lock()
	p.fault, p.delay = f, delay
	close(p.changed)
	p.changed = make(chan struct{})
	p.mu.Unlock()
	if f == Reset {
		p.Cut()
	}
}

// Retarget has the Proxy end its connections, and open new ones to another database.
func (p *Proxy) Retarget(addr string) {
	p.Rename(addr)
	p.Cut()
}

// Rename has the Proxy open new connections to another database, and leave those that are open.
func (p *Proxy) Rename(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = addr
}

// Cut resets all connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.SetLinger(0)
		c.Close()
	}
	clear(p.open)
}

// Dialed returns how many connections there have been.
func (p *Proxy) Dialed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dialed
}

func (p *Proxy) state() (f Fault, delay time.Duration, target string, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault, p.delay, p.target, p.changed
}

func (p *Proxy) accept() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		p.jobs.Go(func() { p.serve(c.(*net.TCPConn)) })
	}
}

func (p *Proxy) serve(c *net.TCPConn) {
	f, _, target, _ := p.state()
	d, err := net.Dial("tcp", target)
	if err != nil || f == Reset {
		c.SetLinger(0)
		c.Close()
		if err == nil {
			d.Close()
		}
		return
	}
	db := d.(*net.TCPConn)
	p.mu.Lock()
	p.open[c], p.open[db] = true, true
	p.dialed++
	p.mu.Unlock()
	if p.life.Err() != nil {
		p.Cut()
	}
	var both sync.WaitGroup
	both.Go(func() { p.pass(db, c, false) })
	both.Go(func() { p.pass(c, db, true) })
	both.Wait()
	p.mu.Lock()
	delete(p.open, c)
	delete(p.open, db)
	p.mu.Unlock()
}

// piece is what was read at one time.
type piece struct {
	b  []byte
	at time.Time
}

// pass copies until either end is gone, and then ends both.
func (p *Proxy) pass(to, from *net.TCPConn, replies bool) {
	defer from.Close()
	pieces := make(chan piece, 1024)
	defer close(pieces)
	p.jobs.Go(func() {
		defer to.Close()
		defer from.Close()
		for c := range pieces {
			b, more := p.spoil(c, replies)
			if _, err := to.Write(b); err != nil || !more {
				break
			}
		}
		for range pieces { // the reader ends by itself
		}
	})
	for {
		buf := make([]byte, 16<<10)
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		pieces <- piece{buf[:n], time.Now()}
	}
}

// spoil waits, and returns what is passed on of a piece, or instead of it, and whether more follows.
func (p *Proxy) spoil(c piece, replies bool) (b []byte, more bool) {
	b = c.b
	for {
		f, delay, _, changed := p.state()
		if f == Silent {
			select {
			case <-changed:
				continue
			case <-p.life.Done():
				return nil, false
			}
		}
		if replies && delay > 0 {
			select {
			case <-time.After(time.Until(c.at.Add(delay))):
			case <-p.life.Done():
				return nil, false
			}
		}
		if !replies {
			return b, true
		}
		switch f {
		case Garbage:
			return []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), true
		case Half:
			return b[:len(b)/2], false
		case Shift:
			return append([]byte("+first\r\n"), b...), true
		}
		return b, true
	}
}
