package hostile_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// tampered is a net.Conn whose incoming bytes are counted and, at one offset, harmed.
type tampered struct {
	net.Conn
	seen   int // bytes let through so far
	at     int // the offset of the harm
	how    harm
	gone   bool          // cut, or reset
	silent chan struct{} // closed with the connection
}

type harm int

const (
	noHarm  harm = iota
	cut          // the connection ends
	reset        // it ends with an error
	flip         // one byte is another
	stall        // nothing comes any more
	garbage      // from here on, everything is another
)

func (h harm) String() string {
	return []string{"none", "cut", "reset", "flip", "stall", "garbage"}[h]
}

var errReset = errors.New("connection reset by peer")

func (c *tampered) end() (int, error) {
	switch c.how {
	case cut:
		return 0, io.EOF
	case reset:
		return 0, errReset
	}
	<-c.silent
	return 0, net.ErrClosed
}

func (c *tampered) Read(p []byte) (int, error) {
	if c.gone {
		return c.end()
	}
	n, err := c.Conn.Read(p)
	from := c.seen
	c.seen += n
	if c.how == noHarm || c.seen <= c.at {
		return n, err
	}
	i := max(c.at-from, 0)
	switch c.how {
	case flip:
		if from <= c.at {
			p[i] ^= 0x5a
		}
		return n, err
	case garbage:
		for ; i < n; i++ {
			p[i] ^= 0x5a
		}
		return n, err
	}
	c.gone = true
	if i > 0 {
		return i, nil
	}
	return c.end()
}

func (c *tampered) Close() error {
	select {
	case <-c.silent:
	default:
		close(c.silent)
	}
	return c.Conn.Close()
}

// outcome of one exchange: a handshake, one message each way, and an orderly end.
type outcome struct {
	victim, peer error // nil: all of it went well
	verified     bool  // the victim's handshake was completed, by the peer that was meant
	seen         int   // bytes the victim got
}

const greeting = "hello from the other side"

// exchange runs one against harm. It must be called in a bubble: that is what shows that
// no end waits for ever, and what makes the timeouts of Close take no time.
func exchange(t *testing.T, cli, srv *ssl.Ctx, v ssltest.Victim, at int, how harm) outcome {
	t.Helper()
	a, b := net.Pipe()
	w := &tampered{at: at, how: how, silent: make(chan struct{})}
	ends := [2]net.Conn{a, b}
	w.Conn, ends[v] = ends[v], w
	c, err := ssl.Client(ends[0], cli)
	if err != nil {
		t.Fatal(err)
	}
	ssltest.OfferNothing(t, c)
	s, err := ssl.Server(ends[1], srv)
	if err != nil {
		t.Fatal(err)
	}
	// A harmed length makes an end wait for bytes that the peer does not mean to send.
	c.SetDeadline(time.Now().Add(ssltest.Timeout))
	s.SetDeadline(time.Now().Add(ssltest.Timeout))
	done := make(chan error)
	go func() { done <- converse(s, false) }()
	cerr := converse(c, true)
	serr := <-done
	out := outcome{victim: cerr, peer: serr, verified: c.ConnectionState().Verified, seen: w.seen}
	if v == ssltest.ServerEnd {
		out.victim, out.peer = serr, cerr
		out.verified = s.ConnectionState().Version != 0
	}
	return out
}

// converse is one end of an exchange, up to the peer's close_notify.
func converse(c *ssl.Conn, first bool) error {
	defer c.Close()
	say := func() error {
		_, err := c.Write([]byte(greeting))
		return err
	}
	if first {
		if err := say(); err != nil {
			return err
		}
	}
	if err := ssltest.ReadUntil(c, greeting); err != nil {
		return err
	}
	if first {
		if err := c.CloseWrite(); err != nil {
			return err
		}
	} else {
		if err := say(); err != nil {
			return err
		}
	}
	n, err := c.Read(make([]byte, 1))
	if err != io.EOF || n != 0 {
		return errors.Join(errors.New("no orderly end"), err)
	}
	return nil
}

// stride is between the offsets that are tried: every one with -long.
func stride() int { return ssltest.Rounds(3, 1, 29) }

// forEachVictim runs f for both ends and both versions, with the number of bytes that the
// victim gets in an exchange without harm.
func forEachVictim(t *testing.T, f func(t *testing.T, cli, srv *ssl.Ctx, v ssltest.Victim, total int)) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		for _, v := range []ssltest.Victim{ssltest.ClientEnd, ssltest.ServerEnd} {
			total := 0
			ssltest.Bubble(t, func(t *testing.T) {
				out := exchange(t, cctx, sctx, v, 0, noHarm)
				if out.victim != nil || out.peer != nil || !out.verified {
					t.Fatalf("without harm: %+v", out)
				}
				total = out.seen
			})
			f(t, cctx, sctx, v, total)
		}
	})
}

// A connection that ends, in whatever way, before the last byte is an error, at every
// byte of the peer's side, and never taken for an orderly end.
func TestHostileEnd(t *testing.T) {
	for _, how := range []harm{cut, reset} {
		forEachVictim(t, func(t *testing.T, cli, srv *ssl.Ctx, v ssltest.Victim, total int) {
			for at := 0; at < total-maxSlack; at += stride() {
				ssltest.Bubble(t, func(t *testing.T) {
					out := exchange(t, cli, srv, v, at, how)
					if out.victim == nil {
						t.Errorf("%s, %s at %d of %d: no error", v, how, at, total)
					}
					if how == reset && !errors.Is(out.victim, errReset) {
						t.Errorf("%s, %s at %d of %d: %v", v, how, at, total, out.victim)
					}
					if how == cut && !errors.Is(out.victim, io.ErrUnexpectedEOF) {
						t.Errorf("%s, %s at %d of %d: %v", v, how, at, total, out.victim)
					}
				})
			}
		})
	}
}

// maxSlack: signatures differ in length from one handshake to the next, and tickets by a block
// of their cipher.
const maxSlack = 8 + 2*16

// One byte that is another on the way is an error at one of the ends, at every byte. The
// version in the header of a first record may be anything: there the exchange may go on,
// but then it is the right peer's, and whole.
func TestHostileFlip(t *testing.T) {
	forEachVictim(t, func(t *testing.T, cli, srv *ssl.Ctx, v ssltest.Victim, total int) {
		passed := 0
		for at := 0; at < total-maxSlack; at += stride() {
			ssltest.Bubble(t, func(t *testing.T) {
				out := exchange(t, cli, srv, v, at, flip)
				if out.victim != nil || out.peer != nil {
					return
				}
				passed++
				if !out.verified {
					t.Errorf("%s, flip at %d of %d: a conversation with nobody", v, at, total)
				}
			})
		}
		if passed > 4 {
			t.Errorf("%s: %d of %d flips went unnoticed", v, passed, total)
		}
	})
}

// From some byte on, everything is garbage.
func TestHostileGarbage(t *testing.T) {
	forEachVictim(t, func(t *testing.T, cli, srv *ssl.Ctx, v ssltest.Victim, total int) {
		for at := 0; at < total-maxSlack; at += 5 * stride() {
			ssltest.Bubble(t, func(t *testing.T) {
				if out := exchange(t, cli, srv, v, at, garbage); out.victim == nil {
					t.Errorf("%s, garbage from %d of %d: no error", v, at, total)
				}
			})
		}
	})
}
