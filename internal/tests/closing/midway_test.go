package closing_test

import (
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A Write in the middle of a message that the peer sends in parts waits for the rest,
// whether a Read is under way or not.
func TestWriteMidway(t *testing.T) {
	leakcheck.Test(t)
	ctx := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	for _, reads := range []bool{true, false} {
		ssltest.ForEachWire(t, func(t *testing.T, w ssltest.Wire) {
			c, _, rest, done := ssltest.MidwayServer(t, w, ctx, reads)
			defer done()
			wrote := make(chan error, 1)
			go func() {
				n, err := c.Write(make([]byte, 300<<10))
				if n != 300<<10 && err == nil {
					err = io.ErrShortWrite
				}
				wrote <- err
			}()
			w.Parked(t)
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
				if err := ssltest.ReadUntil(c, "pong"); err != nil {
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
	ctx := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	for _, reads := range []bool{true, false} {
		for name, end := range map[string]func(c *ssl.Conn, r *ssltest.Rogue){
			"deadline": func(c *ssl.Conn, _ *ssltest.Rogue) { c.SetWriteDeadline(time.Unix(1, 0)) },
			"timer":    func(*ssl.Conn, *ssltest.Rogue) {},
			"close":    func(c *ssl.Conn, _ *ssltest.Rogue) { c.Close() },
			"hang up":  func(_ *ssl.Conn, r *ssltest.Rogue) { r.Close() },
		} {
			if name == "hang up" && reads {
				continue // the Read has the error then, and says so: see the case without
			}
			ssltest.ForEachWire(t, func(t *testing.T, w ssltest.Wire) {
				c, r, rest, done := ssltest.MidwayServer(t, w, ctx, reads)
				defer done()
				if name == "timer" {
					c.SetWriteDeadline(time.Now().Add(w.Soon))
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
					w.Parked(t)
				}
				end(c, r)
				err := <-wrote
				switch name {
				case "deadline", "timer":
					if !ssltest.IsTimeout(err) {
						t.Errorf("%s: %v", name, err)
					}
					c.SetWriteDeadline(time.Time{})
					rest()
					if n, err := c.Write([]byte("x")); n != 1 || err != nil {
						t.Errorf("%s, once more: %d, %v", name, n, err)
					}
				case "close":
					if !ssltest.IsClosed(err) {
						t.Errorf("close: %v", err)
					}
				case "hang up":
					// A socket that is closed with tickets unread resets the connection.
					if !errors.Is(err, io.ErrUnexpectedEOF) && !(w.Room > 0 && errors.Is(err, syscall.ECONNRESET)) {
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
	ctx := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	for range 20 {
		a, b := ssltest.TCPPipe(t)
		c, err := ssl.Server(b, ctx)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(ssltest.Timeout))
		r := ssltest.NewRogue(t, a, c)
		data := r.Record(ssltest.TypeData, []byte("ping"))
		first, second := r.HalfKeyUpdate()
		go r.Write(append(data, first...))
		if n, err := c.Read(make([]byte, 64)); n != 4 || err != nil {
			t.Fatal(n, err)
		}
		wrote, read := make(chan error), make(chan error)
		go func() {
			_, err := c.Write([]byte("x"))
			wrote <- err
		}()
		go func() { read <- ssltest.ReadUntil(c, "pong") }()
		r.Write(append(second, r.Record(ssltest.TypeData, []byte("pong"))...))
		if err := errors.Join(<-wrote, <-read); err != nil {
			t.Fatal(err)
		}
		c.Close()
		a.Close()
	}
}
