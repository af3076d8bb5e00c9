package ssl_test

import (
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// Once the handshake is over, C no longer counts with early data, accepted or not.
func TestEarlyDataEndsWithTheHandshake(t *testing.T) {
	for want, limit := range map[ssl.EarlyDataStatus]uint32{ssl.EarlyDataAccepted: 1 << 14, ssl.EarlyDataRejected: 0} {
		forEachSocket(t, func(t *testing.T) {
			leakcheck.Test(t)
			srv, cli := earlyConfigs(t)
			cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
			s := earlySession(t, cctx, sctx)
			if limit == 0 {
				srv.MaxEarlyData = 0
				sctx = newServerCtx(t, srv)
			}
			p := earlyPair(t, cctx, sctx, s)
			p.wantEarly(t, want)
			if c, s := ssl.EarlyStep(p.client), ssl.EarlyStep(p.server); c != 0 || s != 0 {
				t.Errorf("%v: after the handshake C still counts with early data: %d, %d", want, c, s)
			}
		})
	}
}
