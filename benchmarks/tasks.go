package main

import (
	"errors"
	"io"
	"net"
)

const (
	chunk    = 64 << 10 // the size of one Write in the bulk
	bulkSize = 32 << 20
)

// link is a connection of l with itself, whose handshake is done and whose tickets have been
// read.
func link(l library, resume bool) (c, s net.Conn, err error) {
	a, b, err := tcpPair()
	if err != nil {
		return nil, nil, err
	}
	s, err = l.server(b)
	if err != nil {
		return nil, nil, err
	}
	greeted := make(chan error, 1)
	go func() {
		_, err := s.Write([]byte{1}) // does the handshake, and sends a byte after the tickets
		greeted <- err
	}()
	c, err = l.client(a, resume)
	if err != nil {
		return nil, nil, err
	}
	_, err = io.ReadFull(c, make([]byte, 1))
	if err := errors.Join(err, <-greeted); err != nil {
		return nil, nil, err
	}
	return c, s, l.check(c, resume)
}

func tcpPair() (a, b net.Conn, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	if a, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		return nil, nil, err
	}
	b, err = ln.Accept()
	return a, b, err
}

func fullHandshakes(l library, n int) error    { return handshakes(l, n, false) }
func resumedHandshakes(l library, n int) error { return handshakes(l, n, true) }

// handshakes includes the TCP connection, one byte and the closing.
func handshakes(l library, n int, resume bool) error {
	for range n {
		c, s, err := link(l, resume)
		if err != nil {
			return err
		}
		c.Close()
		s.Close()
	}
	return nil
}

func roundTrips(l library, n int) error {
	c, s, err := link(l, false)
	if err != nil {
		return err
	}
	echoed := make(chan error, 1)
	go func() {
		b := make([]byte, 1)
		for range n {
			if _, err := io.ReadFull(s, b); err != nil {
				echoed <- err
				return
			}
			if _, err := s.Write(b); err != nil {
				echoed <- err
				return
			}
		}
		echoed <- nil
	}()
	b := make([]byte, 1)
	for range n {
		if _, err := c.Write(b); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, b); err != nil {
			return err
		}
	}
	err = <-echoed
	c.Close()
	s.Close()
	return err
}

// bulk sends n chunks in one direction.
func bulk(l library, n int) error {
	c, s, err := link(l, false)
	if err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() {
		b := make([]byte, chunk)
		for range n {
			if _, err := c.Write(b); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	b := make([]byte, chunk)
	for got := 0; got < n*chunk; {
		k, err := s.Read(b)
		if err != nil {
			return err
		}
		got += k
	}
	err = <-sent
	c.Close()
	s.Close()
	return err
}
