package ssl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A handshake message may arrive in parts, also after the handshake: for example a long
// ticket, or a peer's certificate. In the middle of a message libssl encrypts nothing:
// SSL_write wants to read the missing part. A reader must bring it, and senders wait for it
// here: Write, CloseWrite and Close, and calls that make libssl send a message of its own.

// errMidway says that a step has done nothing, in the middle of a handshake message.
var errMidway = errors.New("in the middle of a handshake message")

type midway struct {
	blocked bool // a call waits for the end of the message; under the Conn's mu
	lock    sync.Mutex
	whole   chan struct{} // holds one value when another try is worthwhile; nil before the first block
	pump    *pump
}

// block notes that a call will wait for the end of the message. The Conn's mu is held: the step that
// brings the end finds the channel.
func (m *midway) block() {
	m.blocked = true
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.whole == nil {
		m.whole = make(chan struct{}, 1)
	}
}

func (m *midway) wake() {
	m.lock.Lock()
	defer m.lock.Unlock()
	select {
	case m.whole <- struct{}{}:
	default:
	}
}

// noteMidway is called by each step, with mu held.
func (c *Conn) noteMidway(now bool) {
	if !now && c.midway.blocked {
		c.midway.blocked = false
		c.midway.wake()
	}
}

// mayBegin returns why libssl can begin no message now: the connection has ended, its writing side
// is closed, or errMidway. With block, the end of the peer's message wakes the caller. mu is held.
func (c *Conn) mayBegin(op string, p connPtr, block bool) error {
	if err := c.unended(op, p); err != nil {
		return err
	}
	if isMidway(p) {
		if block {
			c.midway.block()
		}
		return errMidway
	}
	return nil
}

// unended returns why libssl begins no message any more. mu is held.
func (c *Conn) unended(op string, p connPtr) error {
	if err := c.endedFor(op); err != nil {
		return err
	}
	if p.mute != 0 {
		return fail(op, ErrClosed)
	}
	return nil
}

// between runs step where no message of the peer has arrived in part: at once, or after
// the rest has been read. It waits as a Write does, and takes a Write's turn.
func (c *Conn) between(ctx context.Context, step func(block bool) error) error {
	err := step(false)
	if err != errMidway {
		return err
	}
	if calls := &c.writing.calls; !calls.try() && !calls.wait(ctx.Done(), c.closing.done(), nil) {
		return cmp.Or(context.Cause(ctx), ErrClosed)
	}
	defer c.writing.calls.unlock()
	for {
		if err := step(true); err != errMidway {
			return err
		}
		if err := c.untilWhole(ctx); err != nil {
			return err
		}
	}
}

// untilWhole waits until another try of a step is worthwhile. The message is read by
// the Read that is under way, or else by the pump. writing.calls is held.
func (c *Conn) untilWhole(ctx context.Context) error {
	p := c.startPump()
	pumped := p.ended
	expired, stop := untilTimer(&c.writing.until)
	defer stop()
	for {
		select {
		case <-c.midway.whole:
			return nil
		case <-pumped:
			err := p.result()
			if !isTimeout(err) {
				return eofInside(err)
			}
			pumped = nil // by a deadline of reads; another Read, or another deadline, can go on
		case <-c.closing.done():
			return ErrClosed
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-expired:
			return c.netError("write", os.ErrDeadlineExceeded)
		}
	}
}

// isTimeout reports whether a deadline caused err.
func isTimeout(err error) bool { return err != nil && (&Error{Err: err}).Timeout() }

// eofInside is err, or io.ErrUnexpectedEOF for an end in the middle of a message.
func eofInside(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// untilTimer is a timer for a deadline; without a deadline it never fires.
func untilTimer(until *atomic.Int64) (expired <-chan time.Time, stop func() bool) {
	nano := until.Load()
	if nano == 0 {
		return nil, func() bool { return true }
	}
	t := time.NewTimer(time.Until(time.Unix(0, nano)))
	return t.C, t.Stop
}

// A pump reads in the background, up to the next application byte, for a caller that
// needs what comes before that byte and cannot rely on another reader.
type pump struct {
	ended chan struct{}
	err   error // why it ended, nil for an application byte; set before ended
	panic any   // of the application's code; goes on in the caller
}

// startPump returns the running pump, or a new one: a connection has at most one.
func (c *Conn) startPump() *pump {
	c.midway.lock.Lock()
	defer c.midway.lock.Unlock()
	if p := c.midway.pump; p != nil && !p.over() {
		return p
	}
	p := &pump{ended: make(chan struct{})}
	c.midway.pump = p
	go p.run(func() (bool, error) {
		_, again, err := c.readOnce(peekStep, nil)
		return again, err
	})
	return p
}

// over reports whether the pump has ended.
func (p *pump) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// run reads until there is an error or no more is wanted.
func (p *pump) run(read func() (again bool, err error)) {
	defer close(p.ended)
	defer func() {
		if p.panic = recover(); p.panic != nil {
			p.err = fmt.Errorf("%w: %v", errPanicked, p.panic)
		}
	}()
	for again := true; again && p.err == nil; {
		again, p.err = read()
	}
}

// result must come after the end. A panic goes on in the caller's goroutine.
func (p *pump) result() error {
	if p.panic != nil {
		panic(p.panic)
	}
	return p.err
}
