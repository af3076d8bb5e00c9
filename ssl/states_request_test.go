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
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A server's request has come as a whole, and waits for the application's word because a Read met
// it behind data. Whatever the client sends then gets the request answered first; Close answers it
// without the application.
func TestSendBehindRequest(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.LaterConfigs(t)
	cert := cli.Certificates[0]
	var asked atomic.Int32
	cli.GetClientCertificate = func(*ssl.CertificateRequestInfo) (*ssl.Certificate, error) {
		asked.Add(1)
		return &cert, nil
	}
	cctx := ssltest.NewClientCtx(t, cli)
	for _, s := range ssltest.Sending {
		if s.ServerOnly {
			continue
		}
		ssltest.ForEachWire(t, func(t *testing.T, w ssltest.Wire) {
			asked.Store(0)
			a, b := w.Pipe(t)
			c, err := ssl.Client(a, cctx)
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(ssltest.Timeout))
			r, ear := ssltest.NewRogueServer(t, b, c, srv)
			bytes := r.Record(ssltest.TypeData, []byte("ping"))
			bytes = append(bytes,
				r.Record(ssltest.TypeHandshake, ssltest.Message(13, []byte{1, 'c', 0, 8, 0, 13, 0, 4, 0, 2, 4, 3}))...)
			go r.Write(bytes)
			if n, err := c.Read(make([]byte, 64)); n != 4 || err != nil {
				t.Fatal(n, err)
			}
			heard := make(chan error, 1)
			go func() { heard <- ear.Listen() }()
			if err := s.Call(context.Background(), c); err != nil {
				t.Errorf("%s: %v", s.Name, err)
			}
			ear.Await(t, "message 11") // the answer
			ear.Await(t, s.Hears)
			if n := asked.Load(); n != 1 && s.Name != "Close" || n != 0 && s.Name == "Close" {
				t.Errorf("%s: GetClientCertificate was called %d times", s.Name, n)
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
	srv, cli := ssltest.LaterConfigs(t)
	srv.NumTickets = -1
	sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
	for _, s := range ssltest.Sending {
		if s.ServerOnly { // one request at a time, and no tickets before the client has been judged
			continue
		}
		ssltest.ForEachWire(t, func(t *testing.T, w ssltest.Wire) {
			a, b := w.Pipe(t)
			cut := &cutConn{Conn: a}
			p := ssltest.NewPair(t, cctx, sctx, cut, b)
			p.MustShake(t)
			p.Echo(t)
			read := make(chan error, 1)
			go func() {
				_, err := io.Copy(io.Discard, p.Client)
				read <- err
			}()
			cut.setCut()
			ctx, cancel := context.WithCancel(context.Background())
			requested := make(chan error, 1)
			go func() { requested <- p.Server.RequestClientCertificate(ctx) }()
			for late := time.Now().Add(ssltest.Timeout); !ssl.Midway(p.Server); runtime.Gosched() {
				if time.Now().After(late) {
					t.Fatal("no part of an answer came")
				}
			}
			called := make(chan error, 1)
			go func() { called <- s.Call(context.Background(), p.Server) }()
			go cut.release()
			if err := <-called; err != nil {
				t.Errorf("%s: %v", s.Name, err)
			}
			cancel()
			if err := <-requested; err != nil && !ssltest.IsClosed(err) && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: RequestClientCertificate: %v", s.Name, err)
			}
			p.Server.Close()
			if err := <-read; err != nil {
				t.Errorf("%s: the client: %v", s.Name, err)
			}
			p.Client.Close()
		})
	}
}
