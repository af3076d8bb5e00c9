package ownership_test

import (
	"runtime"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// keyCensus is how many keys are in C memory, and how many TicketKeys are open.
type keyCensus struct{ keys, rings int }

func keysSince(b ssl.Counters) keyCensus {
	a := ssl.ReadCounters()
	live := func(c ssl.Counters) int { return int(c.TicketKeyObjectsCreated - c.TicketKeyObjectsWiped) }
	return keyCensus{live(a) - live(b), int(a.TicketKeys.Live) - int(b.TicketKeys.Live)}
}

// Each operation on ticket keys, by what it leaves in memory: a key is wiped by the last one
// that has it, a value of the application, a ring, or an SSL_CTX's.
func TestOwnershipTicketKeys(t *testing.T) {
	leakcheck.Test(t)
	leakcheck.Collect()
	var k, second *ssl.TicketKeys
	var ctx *ssl.Ctx
	var key, other ssl.TicketKey
	var secret []byte
	srv := ssltest.ServerConfig(t)
	for _, s := range []struct {
		op   string
		do   func() error
		want keyCensus
	}{
		{"NewTicketKey", func() (err error) { key, err = ssl.NewTicketKey(); return err }, keyCensus{1, 0}},
		{"SecretBytes", func() (err error) { secret, err = key.SecretBytes(); return err }, keyCensus{}},
		{"ParseTicketKey", func() (err error) { other, err = ssl.ParseTicketKey(secret[:48]); return err },
			keyCensus{1, 0}},
		{"ParseTicketKey of too little", func() error { ssl.ParseTicketKey(secret[:47]); return nil }, keyCensus{}},
		{"NewTicketKeysFrom", func() (err error) {
			k, err = ssl.NewTicketKeysFrom(ssl.TicketKeySet{Current: key})
			return err
		}, keyCensus{0, 1}},
		{"NewTicketKeysFrom with one name twice", func() error {
			ssl.NewTicketKeysFrom(ssl.TicketKeySet{Current: key, Next: other})
			return nil
		}, keyCensus{}},
		{"Rotate without a next key", func() error { return k.Rotate(ssl.TicketKey{}) }, keyCensus{1, 0}},
		{"Rotate", func() error { return k.Rotate(ssl.TicketKey{}) }, keyCensus{1, 0}},
		{"Rotate that drops the application's key", func() error { return k.Rotate(ssl.TicketKey{}) },
			keyCensus{1, 0}},
		{"Rotate that drops the ring's own key", func() error { return k.Rotate(ssl.TicketKey{}) }, keyCensus{}},
		{"Rotate to a key that is there", func() error { k.Rotate(key); k.Rotate(key); return nil },
			keyCensus{-1, 0}},
		{"SetKeys", func() error { return k.SetKeys(ssl.TicketKeySet{Current: other}) }, keyCensus{-2, 0}},
		{"NewTicketKeys", func() (err error) { second, err = ssl.NewTicketKeys(nil); return err }, keyCensus{2, 1}},
		{"NewServerCtx", func() (err error) {
			srv.TicketKeys = second
			ctx, err = ssl.NewServerCtx(srv)
			return err
		}, keyCensus{}},
		{"TicketKeys.Close before the Ctx's", func() error { return second.Close() }, keyCensus{0, -1}},
		{"Ctx.Close", func() error { return ctx.Close() }, keyCensus{-2, 0}},
		{"TicketKeys.Close", func() error { return k.Close() }, keyCensus{0, -1}},
		{"TicketKeys.Close again", func() error { return k.Close() }, keyCensus{}},
	} {
		before := ssl.ReadCounters()
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.op, err)
		}
		if got := keysSince(before); got != s.want {
			t.Errorf("%s: got %+v, want %+v", s.op, got, s.want)
		}
	}
	runtime.KeepAlive(key)
	runtime.KeepAlive(other)
}
