package ssl_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// A server's request has come as a whole, and waits for the application's word because a Read met
// it behind data. Whatever the client sends then gets the request answered first; Close answers it
// without the application.
func TestSendBehindRequest(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := laterConfigs(t)
	cert := cli.Certificates[0]
	var asked atomic.Int32
	cli.GetClientCertificate = func(*ssl.CertificateRequestInfo) (*ssl.Certificate, error) {
		asked.Add(1)
		return &cert, nil
	}
	cctx := newClientCtx(t, cli)
	for _, s := range sending {
		if s.serverOnly {
			continue
		}
		forEachWire(t, func(t *testing.T, w wire) {
			asked.Store(0)
			a, b := w.pipe(t)
			c, err := ssl.Client(a, cctx)
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(ioTimeout))
			r, ear := newRogueServer(t, b, c, srv)
			bytes := r.record(typeData, []byte("ping"))
			bytes = append(bytes, r.record(typeHandshake, message(13, []byte{1, 'c', 0, 8, 0, 13, 0, 4, 0, 2, 4, 3}))...)
			go r.Write(bytes)
			if n, err := c.Read(make([]byte, 64)); n != 4 || err != nil {
				t.Fatal(n, err)
			}
			heard := make(chan error, 1)
			go func() { heard <- ear.listen() }()
			if err := s.call(context.Background(), c); err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
			ear.await(t, "message 11") // the answer
			ear.await(t, s.hears)
			if n := asked.Load(); n != 1 && s.name != "Close" || n != 0 && s.name == "Close" {
				t.Errorf("%s: GetClientCertificate was called %d times", s.name, n)
			}
			c.Close()
			b.Close()
			<-heard
		})
	}
}

// cutConn sends the first record of what is written after cut, and the rest at release.
type cutConn struct {
	net.Conn
	mu   sync.Mutex
	cut  bool
	kept []byte
}

func (c *cutConn) setCut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
}

func (c *cutConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	send := b
	switch {
	case c.cut && c.kept == nil:
		n := min(5+(int(b[3])<<8|int(b[4])), len(b))
		send, c.kept = b[:n], append([]byte{}, b[n:]...)
	case c.cut:
		send, c.kept = nil, append(c.kept, b...)
	}
	c.mu.Unlock()
	if len(send) == 0 {
		return len(b), nil
	}
	if _, err := c.Conn.Write(send); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (c *cutConn) release() error {
	c.mu.Lock()
	kept := c.kept
	c.cut = false
	c.mu.Unlock()
	_, err := c.Conn.Write(kept)
	return err
}

// A client's answer to a request comes in parts. What the server sends meanwhile waits for the
// whole of it, and is sent then.
func TestSendMidwayOfAnswer(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := laterConfigs(t)
	srv.NumTickets = -1
	sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
	for _, s := range sending {
		if s.serverOnly { // one request at a time, and no tickets before the client has been judged
			continue
		}
		forEachWire(t, func(t *testing.T, w wire) {
			a, b := w.pipe(t)
			cut := &cutConn{Conn: a}
			p := newPair(t, cctx, sctx, cut, b)
			p.mustShake(t)
			p.echo(t)
			read := make(chan error, 1)
			go func() {
				_, err := io.Copy(io.Discard, p.client)
				read <- err
			}()
			cut.setCut()
			ctx, cancel := context.WithCancel(context.Background())
			requested := make(chan error, 1)
			go func() { requested <- p.server.RequestClientCertificate(ctx) }()
			for late := time.Now().Add(ioTimeout); !ssl.Midway(p.server); runtime.Gosched() {
				if time.Now().After(late) {
					t.Fatal("no part of an answer came")
				}
			}
			called := make(chan error, 1)
			go func() { called <- s.call(context.Background(), p.server) }()
			go cut.release()
			if err := <-called; err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
			cancel()
			if err := <-requested; err != nil && !isClosed(err) && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: RequestClientCertificate: %v", s.name, err)
			}
			p.server.Close()
			if err := <-read; err != nil {
				t.Errorf("%s: the client: %v", s.name, err)
			}
			p.client.Close()
		})
	}
}
