package ssl_test

import (
	"crypto/sha256"
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// halfKeyUpdate is the header of a KeyUpdate in a record, the rest in another.
func (r *rogue) halfKeyUpdate() (first, second []byte) {
	first, second = r.record(typeHandshake, []byte{24, 0, 0, 1}), r.record(typeHandshake, []byte{0})
	r.use(expand(r.secret, "traffic upd", sha256.Size))
	return first, second
}

// midwayServer is a server Conn that is in the middle of a message from its peer, and a
// function that sends the rest and some data. One Read is under way, or none is.
func midwayServer(t *testing.T, w wire, ctx *ssl.Ctx, reads bool) (c *ssl.Conn, r *rogue, rest func(), done func()) {
	t.Helper()
	a, b := w.pipe(t)
	c, err := ssl.Server(b, ctx)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(ioTimeout))
	r = newRogue(t, a, c)
	data := r.record(typeData, []byte("ping"))
	first, second := r.halfKeyUpdate()
	after := r.record(typeData, []byte("pong"))
	go r.Write(append(data, first...))
	// A large buffer, so that the Read goes on after the data and meets the message.
	if n, err := c.Read(make([]byte, 64)); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	read, drained := make(chan error, 1), make(chan struct{})
	if reads {
		go func() { read <- readUntil(c, "pong") }()
		w.parked(t)
	}
	go func() {
		defer close(drained)
		io.Copy(io.Discard, a)
	}()
	rest = func() { r.Write(append(second, after...)) }
	done = func() {
		if reads {
			if err := <-read; err != nil && !isClosed(err) {
				t.Error(err)
			}
		}
		c.Close()
		a.Close()
		<-drained
	}
	return c, r, rest, done
}

// A Write in the middle of a message that the peer sends in parts waits for the rest,
// whether somebody reads meanwhile or not.
func TestWriteMidway(t *testing.T) {
	leakcheck.Test(t)
	ctx := newServerCtx(t, serverConfig(t))
	for _, reads := range []bool{true, false} {
		forEachWire(t, func(t *testing.T, w wire) {
			c, _, rest, done := midwayServer(t, w, ctx, reads)
			defer done()
			wrote := make(chan error, 1)
			go func() {
				n, err := c.Write(make([]byte, 300<<10))
				if n != 300<<10 && err == nil {
					err = io.ErrShortWrite
				}
				wrote <- err
			}()
			w.parked(t)
			select {
			case err := <-wrote:
				t.Fatalf("reads %t: Write did not wait: %v", reads, err)
			default:
			}
			rest()
			if err := <-wrote; err != nil {
				t.Errorf("reads %t: %v", reads, err)
			}
			if !reads {
				if err := readUntil(c, "pong"); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Such a Write is ended by its deadline, also one that is set meanwhile, and can be
// repeated; by Close; and by the end of the connection.
func TestWriteMidwayEnds(t *testing.T) {
	leakcheck.Test(t)
	ctx := newServerCtx(t, serverConfig(t))
	for _, reads := range []bool{true, false} {
		for name, end := range map[string]func(c *ssl.Conn, r *rogue){
			"deadline": func(c *ssl.Conn, _ *rogue) { c.SetWriteDeadline(time.Unix(1, 0)) },
			"timer":    func(*ssl.Conn, *rogue) {},
			"close":    func(c *ssl.Conn, _ *rogue) { c.Close() },
			"hang up":  func(_ *ssl.Conn, r *rogue) { r.Close() },
		} {
			if name == "hang up" && reads {
				continue // the Read has the error then, and says so: see the case without
			}
			forEachWire(t, func(t *testing.T, w wire) {
				c, r, rest, done := midwayServer(t, w, ctx, reads)
				defer done()
				if name == "timer" {
					c.SetWriteDeadline(time.Now().Add(w.soon))
				}
				wrote := make(chan error, 1)
				go func() {
					n, err := c.Write([]byte("x"))
					if n != 0 {
						t.Errorf("%s: %d bytes written", name, n)
					}
					wrote <- err
				}()
				if name != "timer" {
					w.parked(t)
				}
				end(c, r)
				err := <-wrote
				switch name {
				case "deadline", "timer":
					if !isTimeout(err) {
						t.Errorf("%s: %v", name, err)
					}
					c.SetWriteDeadline(time.Time{})
					rest()
					if n, err := c.Write([]byte("x")); n != 1 || err != nil {
						t.Errorf("%s, once more: %d, %v", name, n, err)
					}
				case "close":
					if !isClosed(err) {
						t.Errorf("close: %v", err)
					}
				case "hang up":
					// A socket that is closed with tickets unread resets the connection.
					if !errors.Is(err, io.ErrUnexpectedEOF) && !(w.room > 0 && errors.Is(err, syscall.ECONNRESET)) {
						t.Errorf("hang up: %v", err)
					}
				}
			})
		}
	}
}

// On a socket the Write may itself take the rest of the message, and what follows: the Read
// that waits for it comes to know.
func TestWriteMidwaySocket(t *testing.T) {
	leakcheck.Test(t)
	ctx := newServerCtx(t, serverConfig(t))
	for range 20 {
		a, b := tcpPipe(t)
		c, err := ssl.Server(b, ctx)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(ioTimeout))
		r := newRogue(t, a, c)
		data := r.record(typeData, []byte("ping"))
		first, second := r.halfKeyUpdate()
		go r.Write(append(data, first...))
		if n, err := c.Read(make([]byte, 64)); n != 4 || err != nil {
			t.Fatal(n, err)
		}
		wrote, read := make(chan error), make(chan error)
		go func() {
			_, err := c.Write([]byte("x"))
			wrote <- err
		}()
		go func() { read <- readUntil(c, "pong") }()
		r.Write(append(second, r.record(typeData, []byte("pong"))...))
		if err := errors.Join(<-wrote, <-read); err != nil {
			t.Fatal(err)
		}
		c.Close()
		a.Close()
	}
}
