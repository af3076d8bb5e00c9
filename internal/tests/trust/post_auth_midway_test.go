package trust_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// corked is a net.Conn that keeps what is written while it is corked.
type corked struct {
	net.Conn
	mu   sync.Mutex
	cork bool
	kept []byte
}

func (c *corked) Write(b []byte) (int, error) {
	c.mu.Lock()
	cork := c.cork
	if cork {
		c.kept = append(c.kept, b...)
	}
	c.mu.Unlock()
	if cork {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c *corked) setCork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cork = true
}

// pop sends what was kept, in one piece.
func (c *corked) pop() error {
	c.mu.Lock()
	c.cork = false
	kept := c.kept
	c.mu.Unlock()
	_, err := c.Conn.Write(kept)
	return err
}

// A Read that brings data may meet the server's request behind it, which waits for the
// application's word then. A Write does not go on with it, but waits for a read to do so.
func TestWriteBehindRequest(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.LaterConfigs(t)
	var asked atomic.Int32
	cert := cli.Certificates[0]
	cli.GetClientCertificate = func(*ssl.CertificateRequestInfo) (*ssl.Certificate, error) {
		asked.Add(1)
		return &cert, nil
	}
	sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
	for _, reads := range []bool{false, true} {
		ssltest.Bubble(t, func(t *testing.T) {
			a, b := net.Pipe()
			cork := &corked{Conn: b}
			p := ssltest.NewPair(t, cctx, sctx, a, cork)
			p.MustShake(t)
			p.Echo(t)
			cork.setCork()
			if _, err := p.Server.Write([]byte("ping")); err != nil {
				t.Fatal(err)
			}
			request := make(chan error, 1)
			go func() { request <- p.Server.RequestClientCertificate(context.Background()) }()
			synctest.Wait()
			go cork.pop()
			if n, err := p.Client.Read(make([]byte, 64)); n != 4 || err != nil {
				t.Fatal(n, err)
			}
			done := make(chan error, 1)
			if reads {
				go func() { done <- ssltest.ReadUntil(p.Client, "done") }()
				synctest.Wait()
			}
			heard := make(chan error, 1)
			go func() {
				err := <-request
				if err == nil {
					err = ssltest.ReadUntil(p.Server, "pong")
				}
				heard <- err
			}()
			if n, err := p.Client.Write([]byte("pong")); n != 4 || err != nil {
				t.Errorf("reads %t: Write: %d bytes, %v", reads, n, err)
			}
			if err := <-heard; err != nil {
				t.Errorf("reads %t: server: %v", reads, err)
			}
			ssltest.WantClient(t, p.Server, ssltest.ClientName)
			if !reads {
				go func() { done <- ssltest.ReadUntil(p.Client, "done") }()
			}
			if _, err := p.Server.Write([]byte("done")); err != nil {
				t.Error(err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			p.CloseBoth()
		})
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("GetClientCertificate was called %d times for 2 requests", n)
	}
}
