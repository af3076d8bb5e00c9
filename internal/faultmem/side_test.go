package faultmem_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"sessl/internal/faultmem"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// side is one end's part of a connection: everything that an application does with it.
type side struct {
	l      *link
	server bool
	offer  *ssl.Session // a client's, or nil
	shared bool         // offer the object itself
	op     func(string)
	resume *int     // counts the resumptions
	keep   bool     // leaves the newest session to the test
	only   []string // the operations that run without memory; nil means all
}

func (l *link) clientEnd(offer *ssl.Session) side { return side{l: l, offer: offer, op: quiet} }
func (l *link) serverEnd() side                   { return side{l: l, server: true, op: quiet} }

func quiet(string) {}

// do runs one operation, with all memory unless it is one of only.
func (s side) do(name string, f func() error) error {
	s.op(name)
	if s.only == nil || slices.Contains(s.only, name) {
		return f()
	}
	return faultmem.Aside(f)
}

func (s side) run(raw net.Conn) (err, wrong error) {
	c, err := s.open(raw)
	if err != nil {
		return err, nil
	}
	defer func() {
		if e := s.do("Conn.Close", c.Close); err == nil {
			err = e
		}
		if !s.server && !s.keep {
			s.l.take().Close()
		}
	}()
	c.SetDeadline(time.Now().Add(ssltest.Timeout))
	if s.offer != nil {
		if err = s.give(c); err != nil && !slices.Contains(s.only, "Conn.SetSession") {
			return err, nil
		}
	}
	refused := err // a refused session: the connection goes on without it
	if err := s.do("Conn.Handshake", c.Handshake); err != nil {
		return err, nil
	}
	st := c.ConnectionState()
	if verify := !s.server || s.l.mutual; s.l.version != 0 && st.Version != s.l.version ||
		st.Verified != verify {
		return nil, fmt.Errorf("a handshake without an error came to %+v", st)
	}
	if st.DidResume && s.resume != nil {
		*s.resume++
	}
	if err, wrong := s.talk(c); err != nil || wrong != nil {
		return err, wrong
	}
	if err := s.look(c); err != nil {
		return err, nil
	}
	return refused, nil
}

func (s side) open(raw net.Conn) (c *ssl.Conn, err error) {
	if s.server {
		err = s.do("Server", func() error { c, err = ssl.Server(raw, s.l.server); return err })
	} else {
		err = s.do("Client", func() error { c, err = ssl.Client(raw, s.l.client); return err })
		if err == nil {
			err = offerNothing(c)
		}
	}
	return c, err
}

// offerNothing keeps a client from the cache of its Ctx. The cache would keep sessions, which
// would look like leaks, and a resumption would make other allocations.
func offerNothing(c *ssl.Conn) error { return c.UseSessionCache(ssl.NoSessionCache{}, "") }

func (s side) give(c *ssl.Conn) error {
	if !s.shared {
		return s.do("Conn.SetSession", func() error { return c.SetSession(s.offer) })
	}
	var own *ssl.Session
	err := faultmem.Aside(func() (err error) { own, err = s.offer.Dup(); return err })
	if err != nil {
		return err
	}
	defer own.Close()
	return s.do("Conn.SetSharedSession", func() error { return c.SetSharedSession(own) })
}

// talk sends a message from the client to the server and back.
func (s side) talk(c *ssl.Conn) (err, wrong error) {
	got := make([]byte, len(message))
	write := func() error {
		return s.do("Conn.Write", func() error { _, err := c.Write([]byte(message)); return err })
	}
	read := func() error {
		return s.do("Conn.Read", func() error { _, err := io.ReadFull(c, got); return err })
	}
	steps := []func() error{write, read}
	if s.server {
		steps = []func() error{read, write}
	}
	if s.l.later && s.server {
		steps = append(steps, steps...)
	} else if s.l.later { // its data follows its certificate, and the answer follows the verdict
		steps = append(steps, func() error {
			werr := write() // fails if the verdict came first, which the Read reports
			return cmp.Or(read(), werr)
		})
	}
	if s.l.later && s.server {
		steps = append([]func() error{func() error { return s.ask(c) }}, steps...)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err, nil
		}
	}
	if string(got) != message {
		wrong = fmt.Errorf("read %q", got)
	}
	if s.l.later && s.server && !c.ConnectionState().Verified {
		wrong = errors.New("the client's certificate is missing")
	}
	return nil, wrong
}

// ask requests the client's certificate, and leaves the waiting for it to the Reads, which are
// on this thread.
func (s side) ask(c *ssl.Conn) error {
	return s.do("Conn.RequestClientCertificate", func() error {
		c.SetReadDeadline(time.Unix(1, 0))
		defer c.SetReadDeadline(time.Now().Add(ssltest.Timeout))
		err := c.RequestClientCertificate(context.Background())
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		return err
	})
}

// look takes the connection's session in both ways.
func (s side) look(c *ssl.Conn) error {
	err := s.do("Conn.Session", func() error {
		own, err := c.Session()
		own.Close()
		return err
	})
	if err != nil {
		return err
	}
	return s.do("Conn.WithSession", func() error {
		return c.WithSession(func(b *ssl.BorrowedSession) error {
			kept, err := b.UpRef()
			kept.Close()
			return err
		})
	})
}
