package early_test

import (
	"context"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Early data is accepted under a key that the server has got in this very handshake.
func TestUnknownKeyBeforeEarlyData(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	srv.ReplayGuard = ssltest.NewSpyGuard(t)
	set := ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)}
	k := ssltest.TicketKeys(t, ssl.TicketKeySet{})
	err := k.OnUnknownKey(func(context.Context, string) error { return k.SetKeys(set) }, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	cctx := ssltest.NewClientCtx(t, cli)
	ahead := ssltest.TicketServer(t, srv, ssltest.TicketKeys(t, set))
	behind := ssltest.TicketServer(t, srv, k)
	p := ssltest.EarlyPair(t, cctx, behind, ssltest.EarlySession(t, cctx, ahead))
	p.WantEarly(t, ssl.EarlyDataAccepted)
	if st := k.Stats(); st.CaughtUp != 1 {
		t.Errorf("%+v", st)
	}
}
