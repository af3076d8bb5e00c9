package ssl_test

import (
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// After CloseWrite libssl's answers go nowhere: nothing may follow a close_notify.
func TestNothingFollowsCloseWrite(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	a, b := ssltest.TCPPipe(t)
	counted := &countedConn{Conn: a}
	c, r, _ := ssltest.FloodedClient(t, counted, b, ssltest.NewClientCtx(t, cli), srv, false)
	defer c.Close()
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	before := counted.writes.Load()
	for range 20 {
		go r.Write(append(r.KeyUpdates(1), r.Record(ssltest.TypeData, []byte("pong"))...))
		if err := ssltest.ReadUntil(c, "pong"); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.KeyUpdate(true); !ssltest.IsClosed(err) {
		t.Errorf("KeyUpdate: %v", err)
	}
	if n := ssl.Unsent(c); n != 0 {
		t.Errorf("%d bytes wait that will never be sent", n)
	}
	if n := counted.writes.Load() - before; n != 0 {
		t.Errorf("%d writes after close_notify", n)
	}
}
