package contender

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// A worker is one of the clients.
type worker struct {
	o    *Options
	c    Client
	addr string
	conn net.Conn // of bulk and rtt
	took []time.Duration
	seen int // resumptions
}

// clients runs all clients: first what does not count, and when all have done it, what does.
// failed has what a server in the same process complains about.
func clients(o *Options, lib Library, addr string, failed <-chan error) (*Report, error) {
	all := make([]*worker, o.Clients)
	for i := range all {
		c, err := lib.NewClient()
		if err != nil {
			return nil, err
		}
		all[i] = &worker{o: o, c: c, addr: addr, took: make([]time.Duration, 0, o.N/o.Clients+o.warm())}
	}
	if o.Form == Idle || o.Form == Stall {
		return nil, all[0].hold()
	}
	m := newMeter(0, 0)
	if err := together(all, failed, (*worker).warmUp); err != nil {
		return nil, err
	}
	spin(o.Busy)
	m.begun = now()
	if err := together(all, failed, (*worker).measured); err != nil {
		return nil, err
	}
	m.ended = now()
	r := m.report(o.N)
	var took []time.Duration
	for _, w := range all {
		took = append(took, w.took...)
		r.Resumed += w.seen
	}
	r.latencies(took)
	if want := map[bool]int{true: o.N}[o.Resumes()]; r.Resumed != want {
		return nil, fmt.Errorf("%d of %d handshakes were resumptions", r.Resumed, o.N)
	}
	return r, nil
}

func together(all []*worker, failed <-chan error, do func(*worker) error) error {
	errs := make(chan error, len(all))
	var running sync.WaitGroup
	for _, w := range all {
		running.Go(func() { errs <- do(w) })
	}
	go func() {
		running.Wait()
		close(errs)
	}()
	for {
		select {
		case err := <-failed:
			return err
		case err, ok := <-errs:
			if err != nil || !ok {
				return err
			}
		}
	}
}

func (w *worker) warmUp() error {
	for i := range w.o.warm() {
		if i > 0 && (w.o.Form == Bulk || w.o.Form == RTT) {
			break
		}
		c, err := w.connect(i > 0 && w.o.Resumes())
		if err != nil {
			return err
		}
		if w.o.Form == Bulk || w.o.Form == RTT {
			w.conn = c
			return w.transfer(w.o.warm())
		}
		if _, err := w.exchange(c, true); err != nil {
			return err
		}
	}
	w.took, w.seen = w.took[:0], 0
	return nil
}

func (w *worker) measured() error {
	n := w.o.N / w.o.Clients
	if w.conn != nil {
		w.took = w.took[:0]
		defer w.conn.Close()
		return w.transfer(n)
	}
	for range n {
		start := time.Now()
		c, err := w.connect(w.o.Resumes())
		if err != nil {
			return err
		}
		resumed, err := w.exchange(c, false)
		if err != nil {
			return err
		}
		if resumed {
			w.seen++
		}
		w.took = append(w.took, time.Since(start))
		if w.o.Pause > 0 {
			time.Sleep(w.o.Pause)
		}
	}
	return nil
}

func (w *worker) connect(resume bool) (net.Conn, error) { return w.c.Dial(w.addr, resume) }

// exchange sends a byte, reads one and closes the connection.
func (w *worker) exchange(c net.Conn, look bool) (resumed bool, err error) {
	defer c.Close()
	b := make([]byte, 1)
	if _, err := c.Write(b); err != nil {
		return false, err
	}
	if _, err := io.ReadFull(c, b); err != nil {
		return false, err
	}
	if look {
		if err := w.o.check(w.c.State(c)); err != nil {
			return false, err
		}
	}
	return w.c.Resumed(c)
}

// transfer does n units of bulk or rtt.
func (w *worker) transfer(n int) error {
	if w.o.Form == Bulk {
		b := make([]byte, 16<<10)
		for range n * mebibyte / len(b) {
			if _, err := w.conn.Write(b); err != nil {
				return err
			}
		}
		_, err := io.ReadFull(w.conn, b[:1])
		return err
	}
	b := make([]byte, 1)
	for range n {
		start := time.Now()
		if _, err := w.conn.Write(b); err != nil {
			return err
		}
		if _, err := io.ReadFull(w.conn, b); err != nil {
			return err
		}
		w.took = append(w.took, time.Since(start))
	}
	return nil
}

// hold opens connections, as many as the server accepts, and keeps them until its input ends.
func (w *worker) hold() error {
	var all []net.Conn
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	for range w.o.N {
		c, err := w.open()
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, Unsupported("clients that hold connections measure nothing"))
}

func (w *worker) open() (net.Conn, error) {
	if w.o.Form == Stall {
		c, err := net.Dial("tcp", w.addr)
		if err == nil {
			_, err = c.Write([]byte{22}) // the type of a record with a handshake
		}
		return c, err
	}
	c, err := w.connect(false)
	if err != nil {
		return nil, err
	}
	return c, errors.Join(second(c.Write([]byte{1})), second(io.ReadFull(c, make([]byte, 1))))
}

func second(_ int, err error) error { return err }
