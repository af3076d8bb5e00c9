package main

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
)

// draining is a listener whose Close loses no connection that the kernel has accepted. The kernel resets
// those that the program has not taken yet, and their clients would see a server fail that ends gracefully.
// Accept returns them before it fails.
type draining struct {
	*net.TCPListener
	mu   sync.Mutex
	left []net.Conn
}

func (d *draining) Accept() (net.Conn, error) {
	c, err := d.TCPListener.Accept()
	if !errors.Is(err, net.ErrClosed) {
		return c, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.left) == 0 {
		return nil, err
	}
	c, d.left = d.left[0], d.left[1:]
	return c, nil
}

func (d *draining) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if raw, err := d.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { d.left = append(d.left, waiting(int(fd))...) })
	}
	return d.TCPListener.Close()
}

// waiting returns the connections that wait at a listening socket, which does not block.
func waiting(fd int) (all []net.Conn) {
	for {
		syscall.ForkLock.RLock()
		got, _, err := syscall.Accept(fd)
		if err == nil {
			syscall.CloseOnExec(got)
		}
		syscall.ForkLock.RUnlock()
		if err == syscall.EINTR || err == syscall.ECONNABORTED {
			continue
		}
		if err != nil {
			return all
		}
		f := os.NewFile(uintptr(got), "")
		if c, err := net.FileConn(f); err == nil {
			all = append(all, c)
		}
		f.Close()
	}
}
