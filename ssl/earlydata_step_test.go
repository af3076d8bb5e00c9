package ssl_test

import (
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Once the handshake is over, C no longer counts with early data, accepted or not.
func TestEarlyDataEndsWithTheHandshake(t *testing.T) {
	for want, limit := range map[ssl.EarlyDataStatus]uint32{ssl.EarlyDataAccepted: 1 << 14,
		ssl.EarlyDataRejected: 0} {
		ssltest.ForEachSocket(t, func(t *testing.T) {
			leakcheck.Test(t)
			srv, cli := ssltest.EarlyConfigs(t)
			cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
			s := ssltest.EarlySession(t, cctx, sctx)
			if limit == 0 {
				srv.MaxEarlyData = 0
				sctx = ssltest.NewServerCtx(t, srv)
			}
			p := ssltest.EarlyPair(t, cctx, sctx, s)
			p.WantEarly(t, want)
			if c, s := ssl.EarlyStep(p.Client), ssl.EarlyStep(p.Server); c != 0 || s != 0 {
				t.Errorf("%v: after the handshake C still counts with early data: %d, %d", want, c, s)
			}
		})
	}
}
