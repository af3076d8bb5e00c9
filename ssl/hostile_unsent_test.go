package ssl_test

import (
	"io"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A flood of KeyUpdates from a peer that reads nothing is not answered without end: at
// some point Read takes no more. When the peer reads after all, everything goes on.
func TestHostileKeyUpdateFlood(t *testing.T) {
	leakcheck.Test(t)
	ctx := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	ssltest.ForEachWire(t, func(t *testing.T, w ssltest.Wire) {
		a, c, r := ssltest.RogueAgainst(t, w, ctx)
		defer c.Close()
		read, sent := make(chan error, 1), make(chan error, 1)
		go func() { read <- ssltest.ReadUntil(c, "ping") }()
		go func() {
			err := r.Flood(180, func() []byte { return r.KeyUpdates(100) })
			if err == nil {
				_, err = r.Write(r.Record(ssltest.TypeData, []byte("ping")))
			}
			sent <- err
		}()
		w.Parked(t)
		const bound = 192 << 10
		if taken := int(r.Taken.Load()); taken > bound+2*w.Room {
			t.Errorf("%d bytes of KeyUpdates were taken and answered, want at most %d", taken, bound+2*w.Room)
		}
		if n := ssl.Unsent(c); n > bound {
			t.Errorf("%d bytes of answers are kept, want at most %d", n, bound)
		}
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			io.Copy(io.Discard, a)
		}()
		if err := <-sent; err != nil {
			t.Error(err)
		}
		if err := <-read; err != nil {
			t.Error(err)
		}
		c.Close()
		a.Close()
		<-drained
	})
}
