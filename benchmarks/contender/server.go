package contender

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

type server struct {
	o      *Options
	lib    Library
	meter  *meter
	failed chan error
}

func (s *server) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

func (s *server) accept(ln net.Listener) {
	for {
		raw, err := ln.Accept()
		if err != nil {
			s.fail(err)
			return
		}
		go func() {
			if err := s.serve(raw); err != nil {
				s.fail(fmt.Errorf("server: %w", err))
			}
		}()
	}
}

func (s *server) tick() {
	busy := s.o.Busy
	if s.o.Role == "both" {
		busy = 0 // the clients do it
	}
	s.meter.tick(busy)
}

func (s *server) serve(raw net.Conn) error {
	c, err := s.lib.Server(s.o.Wrap(raw))
	if err != nil {
		return err
	}
	switch s.o.Form {
	case Bulk:
		err = s.receive(c)
	case RTT:
		err = s.echo(c, s.o.warm()+s.o.N/s.o.Clients, s.tick)
	default:
		if err = s.echo(c, 1, func() {}); err == nil {
			c.Close()
			s.tick()
			return nil
		}
	}
	c.Close()
	return err
}

func (s *server) echo(c net.Conn, n int, tick func()) error {
	b := make([]byte, 1)
	for range n {
		if _, err := io.ReadFull(c, b); err != nil {
			return err
		}
		if _, err := c.Write(b); err != nil {
			return err
		}
		tick()
	}
	return nil
}

const mebibyte = 1 << 20

// receive acknowledges what does not count, and all.
func (s *server) receive(c net.Conn) error {
	b := make([]byte, 64<<10)
	for _, n := range []int{s.o.warm(), s.o.N / s.o.Clients} {
		for got := 0; got < n*mebibyte; {
			k, err := c.Read(b[:min(len(b), n*mebibyte-got)])
			if err != nil {
				return err
			}
			got += k
		}
		if _, err := c.Write(b[:1]); err != nil {
			return err
		}
		for range n {
			s.tick()
		}
	}
	return nil
}

// hold serves connections that stay open, and reports what one of them adds to the process: as it
// is, and after a garbage collection.
func hold(o *Options, lib Library, ln net.Listener) (*Report, error) {
	const first = 100 // pays for what is allocated once
	s := &server{o: o, lib: lib, failed: make(chan error, 1)}
	if err := s.open(ln, first); err != nil {
		return nil, err
	}
	before := Resident()
	if err := s.open(ln, o.N); err != nil {
		return nil, err
	}
	r := newMeter(0, 0).report(o.N)
	r.Peak = float64(r.RSS<<10-before) / float64(o.N)
	r.Bytes = float64(Resident()-before) / float64(o.N)
	return r, nil
}

// open accepts n connections, and returns when they wait for their clients.
func (s *server) open(ln net.Listener, n int) error {
	var ready sync.WaitGroup
	for range n {
		raw, err := ln.Accept()
		if err != nil {
			return err
		}
		c, err := s.lib.Server(s.o.Wrap(raw))
		if err != nil {
			return err
		}
		ready.Add(1)
		go func() {
			if s.o.Form == Idle {
				if err := s.echo(c, 1, func() {}); err != nil {
					s.fail(err)
				}
			}
			ready.Done()
			c.Read(make([]byte, 1)) // and stay here
		}()
	}
	ready.Wait()
	time.Sleep(settle)
	select {
	case err := <-s.failed:
		return err
	default:
		return nil
	}
}

// settle is how long goroutines have for their way into Read.
const settle = 200 * time.Millisecond
