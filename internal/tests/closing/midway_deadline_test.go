package closing_test

import (
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
)

// A Write that waits for the rest of a message does not end with a deadline of reads: not with one
// that passes meanwhile, nor with one that has passed before.
func TestReadDeadlineEndsNoWriteMidway(t *testing.T) {
	leakcheck.Test(t)
	ctx := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	for _, before := range []bool{true, false} {
		ssltest.ForEachWire(t, func(t *testing.T, w ssltest.Wire) {
			c, _, rest, done := ssltest.MidwayServer(t, w, ctx, false)
			defer done()
			if before {
				c.SetReadDeadline(time.Unix(1, 0))
			}
			wrote := make(chan error, 1)
			go func() {
				_, err := c.Write([]byte("x"))
				wrote <- err
			}()
			w.Parked(t)
			c.SetReadDeadline(time.Unix(1, 0))
			w.Parked(t)
			select {
			case err := <-wrote:
				t.Fatalf("passed before %t: Write: %v", before, err)
			default:
			}
			c.SetReadDeadline(time.Time{}) // and the Write has the rest read
			rest()
			if err := <-wrote; err != nil {
				t.Errorf("passed before %t: Write: %v", before, err)
			}
			if err := ssltest.ReadUntil(c, "pong"); err != nil {
				t.Errorf("passed before %t: Read: %v", before, err)
			}
		})
	}
}
