package ssl_test

import (
	"errors"
	"io"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Records of one byte are 22 times as long as their contents, but cost no more memory than
// others: the connection takes no data that the application does not read, one Read takes no
// more than its buffer holds, and at the end all data has arrived and none is kept.
func TestHostileOneByteRecords(t *testing.T) {
	leakcheck.Test(t)
	ctx := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	ssltest.ForEachWire(t, func(t *testing.T, w ssltest.Wire) {
		a, c, r := ssltest.RogueAgainst(t, w, ctx)
		defer c.Close()
		ended, sent := make(chan struct{}), make(chan error, 1)
		go func() {
			defer close(ended)
			io.Copy(io.Discard, a)
		}()
		const records = 20_000
		go func() {
			i := 0
			sent <- r.Flood(records, func() []byte {
				i++
				return r.Record(ssltest.TypeData, []byte{byte(i)})
			})
		}()
		w.Parked(t)
		if taken := int(r.Taken.Load()); taken > w.Room {
			t.Errorf("%d bytes were taken without a reader, want at most %d", taken, w.Room)
		}
		got := make([]byte, records)
		if n, err := c.Read(got[:1]); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		w.Parked(t)
		const bound = 80 << 10
		if taken := int(r.Taken.Load()); taken > bound+w.Room {
			t.Errorf("%d bytes were taken for the first, want at most %d", taken, bound+w.Room)
		}
		if _, err := io.ReadFull(c, got[1:]); err != nil {
			t.Fatal(err)
		}
		for i, b := range got {
			if b != byte(i+1) {
				t.Fatalf("byte %d is %d", i, b)
			}
		}
		if ssl.HoldsBuffers(c) {
			t.Error("a buffer is kept")
		}
		err := <-sent
		c.Close()
		a.Close()
		<-ended
		if err != nil {
			t.Error(errors.Join(errors.New("the flood"), err))
		}
	})
}
