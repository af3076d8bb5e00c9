package ssl_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"sessl/internal/leakcheck"
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
	srv, cli := laterConfigs(t)
	var asked atomic.Int32
	cert := cli.Certificates[0]
	cli.GetClientCertificate = func(*ssl.CertificateRequestInfo) (*ssl.Certificate, error) {
		asked.Add(1)
		return &cert, nil
	}
	sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
	for _, reads := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			a, b := net.Pipe()
			cork := &corked{Conn: b}
			p := newPair(t, cctx, sctx, a, cork)
			p.mustShake(t)
			p.echo(t)
			cork.setCork()
			if _, err := p.server.Write([]byte("ping")); err != nil {
				t.Fatal(err)
			}
			request := make(chan error, 1)
			go func() { request <- p.server.RequestClientCertificate(context.Background()) }()
			synctest.Wait()
			go cork.pop()
			if n, err := p.client.Read(make([]byte, 64)); n != 4 || err != nil {
				t.Fatal(n, err)
			}
			done := make(chan error, 1)
			if reads {
				go func() { done <- readUntil(p.client, "done") }()
				synctest.Wait()
			}
			heard := make(chan error, 1)
			go func() {
				err := <-request
				if err == nil {
					err = readUntil(p.server, "pong")
				}
				heard <- err
			}()
			if n, err := p.client.Write([]byte("pong")); n != 4 || err != nil {
				t.Errorf("reads %t: Write: %d bytes, %v", reads, n, err)
			}
			if err := <-heard; err != nil {
				t.Errorf("reads %t: server: %v", reads, err)
			}
			wantClient(t, p.server, clientName)
			if !reads {
				go func() { done <- readUntil(p.client, "done") }()
			}
			if _, err := p.server.Write([]byte("done")); err != nil {
				t.Error(err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			p.closeBoth()
		})
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("GetClientCertificate was called %d times for 2 requests", n)
	}
}
