package conns_test

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// deafClient does a handshake through a relay, writes data and closes, and reads nothing more.
// The relay keeps all that comes after the first flights until there is no more, so that when
// the server gets it, the client is gone and takes no tickets.
func deafClient(t *testing.T, cctx, sctx *ssl.Ctx, offer *ssl.Session, flights int, data []byte) *ssl.Conn {
	t.Helper()
	near, client := ssltest.TCPPipe(t)
	far, b := ssltest.TCPPipe(t)
	p := ssltest.NewPair(t, cctx, sctx, client, b)
	if offer != nil {
		if err := p.Client.SetSession(offer); err != nil {
			t.Fatal(err)
		}
	}
	go func() {
		io.Copy(near, far)
		near.Close()
	}()
	go func() {
		defer far.Close()
		buf := make([]byte, 64<<10)
		for range flights {
			n, _ := near.Read(buf)
			far.Write(buf[:n])
		}
		rest, _ := io.ReadAll(near)
		far.Write(rest)
	}()
	go func() {
		p.Client.Write(data)
		p.Client.Close()
	}()
	return p.Server
}

// Tickets for a client that writes, closes and never reads fail nothing: the handshake
// is complete, and what the client has sent arrives, to its end.
func TestTicketsToAClientThatNeverReads(t *testing.T) {
	data := ssltest.Noise(40 << 10)
	for name, with := range map[string]func(*ssl.Config){
		"tickets": func(*ssl.Config) {},
		"VerifyConnection": func(c *ssl.Config) {
			c.VerifyConnection = func(ssl.ConnectionState) error { return nil }
		},
		"many": func(c *ssl.Config) { c.NumTickets = 8 },
	} {
		t.Run(name, func(t *testing.T) {
			ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
				with(srv)
				cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
				p := ssltest.Meet(t, cctx, sctx, nil)
				s := ssltest.SessionOf(t, p.Client)
				p.CloseBoth()
				for _, offer := range []*ssl.Session{nil, s} {
					flights := 1
					if offer == nil && cli.MaxVersion == ssl.VersionTLS12 {
						flights = 2 // the client's Finished, and the server's, come before data
					}
					c := deafClient(t, cctx, sctx, offer, flights, data)
					if name == "many" {
						c.SetTicketData(make([]byte, 16<<10))
					}
					if err := c.Handshake(); err != nil {
						t.Errorf("Handshake: %v", err)
					}
					if got, err := io.ReadAll(c); !bytes.Equal(got, data) || err != nil {
						t.Errorf("resumption %t: %d bytes of %d, %v", offer != nil, len(got), len(data), err)
					}
					if c.SessionReused() != (offer != nil) {
						t.Errorf("%v", c.ReuseState())
					}
					c.Close()
				}
			})
		})
	}
}

// A TLS 1.3 client that only writes and closes has unread tickets; a plain close would
// make the kernel reset the connection, and the server lose what it has not read.
func TestCloseWithUnreadTicketsLosesNothing(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		got := ssltest.NewInbox(t, cli)
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		data := bytes.Repeat([]byte("0123456789abcdef"), 6<<10)
		const runs = 40
		for i := range runs {
			a, b := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, cctx, sctx, a, b)
			done, shaken := make(chan error), make(chan struct{})
			go func() {
				err := p.Server.Handshake() // the tickets are on their way now
				close(shaken)
				read, more := io.ReadAll(p.Server)
				if err = cmp.Or(err, more); err == nil && !bytes.Equal(read, data) {
					err = errors.New("not what was sent")
				}
				p.Server.Close()
				done <- err
			}()
			if n, err := p.Client.Write(data); n != len(data) || err != nil {
				t.Fatal(n, err)
			}
			<-shaken
			p.Client.Close()
			if err := <-done; err != nil {
				t.Fatalf("run %d: %v", i, err)
			}
		}
		want := runs
		if cli.MaxVersion == ssl.VersionTLS13 {
			want *= 2
		}
		if n := len(got.All()); n != want {
			t.Errorf("%d sessions were delivered, want %d", n, want)
		}
	})
}

// A Read that waits does not keep a Write from being done.
func TestReadWaitsWriteGoesOn(t *testing.T) {
	ssltest.ForEachWireAndVersion(t, func(t *testing.T, w ssltest.Wire, srv, cli *ssl.Config) {
		p := w.Pair(t, cli, srv)
		p.MustShake(t)
		p.Echo(t)
		read := make(chan error)
		go func() { read <- ssltest.ReadUntil(p.Client, "ping") }()
		w.Parked(t)
		echoed := make(chan error)
		go func() { echoed <- ssltest.EchoOnce(p.Server) }()
		if _, err := p.Client.Write([]byte("ping")); err != nil {
			t.Error(err)
		}
		if err := errors.Join(<-echoed, <-read); err != nil {
			t.Error(err)
		}
	})
}

// Close ends the calls that wait on the connection, whatever they wait for, and each
// says why.
func TestCloseUnblocks(t *testing.T) {
	calls := []struct {
		name  string
		shake bool
		call  func(c *ssl.Conn) error
	}{
		{"Handshake", false, (*ssl.Conn).Handshake},
		{"Read in the handshake", false, func(c *ssl.Conn) error { _, err := c.Read(make([]byte, 1)); return err }},
		{"Write in the handshake", false, func(c *ssl.Conn) error {
			_,
				err := c.Write(make([]byte, 1))
			return err
		}},
		{"Read", true, func(c *ssl.Conn) error { _, err := c.Read(make([]byte, 1)); return err }},
		{"Write", true, func(c *ssl.Conn) error { _, err := c.Write(make([]byte, 1<<20)); return err }},
	}
	for _, call := range calls {
		t.Run(call.name, func(t *testing.T) {
			ssltest.ForEachWireAndVersion(t, func(t *testing.T, w ssltest.Wire, srv, cli *ssl.Config) {
				for _, end := range []string{"client", "server"} {
					p := w.Pair(t, cli, srv)
					if call.shake {
						p.MustShake(t)
						p.Echo(t)
					}
					c := p.Client
					if end == "server" {
						c = p.Server
					}
					c.SetDeadline(time.Time{})
					const callers = 3
					errs := make(chan error, callers)
					for range callers {
						go func() { errs <- call.call(c) }()
					}
					w.Parked(t)
					if err := c.Close(); err != nil {
						t.Errorf("%s: Close: %v", end, err)
					}
					for range callers {
						if err := <-errs; !ssltest.IsClosed(err) {
							t.Errorf("%s: %v", end, err)
						}
					}
					if err := call.call(c); !ssltest.IsClosed(err) {
						t.Errorf("%s, after Close: %v", end, err)
					}
				}
			})
		})
	}
}

// The same at any moment: whether the calls wait by then or not, they must end, and never
// well.
func TestCloseUnblocksSocket(t *testing.T) {
	for name, call := range map[string]func(c *ssl.Conn) error{
		"Handshake": (*ssl.Conn).Handshake,
		"Read":      func(c *ssl.Conn) error { _, err := c.Read(make([]byte, 1)); return err },
		"Write":     func(c *ssl.Conn) error { _, err := c.Write(make([]byte, 64<<20)); return err },
	} {
		t.Run(name, func(t *testing.T) {
			ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
				for round := range 10 {
					p := ssltest.NewTCPPair(t, cli, srv)
					if name != "Handshake" {
						p.MustShake(t)
						p.Echo(t)
					}
					c := p.Client
					if round%2 == 1 {
						c = p.Server
					}
					c.SetDeadline(time.Time{})
					begun, ended := make(chan struct{}), make(chan error)
					go func() {
						close(begun)
						ended <- call(c)
					}()
					<-begun
					for range 100 * round {
						runtime.Gosched()
					}
					if err := c.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
					if err := <-ended; !ssltest.IsClosed(err) {
						t.Errorf("round %d: %v", round, err)
					}
				}
			})
		})
	}
}
