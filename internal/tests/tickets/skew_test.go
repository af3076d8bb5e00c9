package tickets_test

import (
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Three machines whose clocks differ by four minutes share a secret. Without a limit of the age every
// return is resumed, wherever it goes. With one of an hour, of which a clock may be fast by a twelfth, a
// session costs one full handshake where the clock is eight minutes behind that of its machine.
func TestMachinesWithOtherClocks(t *testing.T) {
	const fast = 4 * time.Minute
	for name, limit := range map[string]time.Duration{"no limit": 0, "limited": time.Hour} {
		t.Run(name, func(t *testing.T) {
			if ssltest.AsMachine(t, func() *ssl.Config { return sharedSecret(t, limit) }) {
				return
			}
			leakcheck.Test(t)
			right, ahead, behind := ssltest.StartMachine(t, 0), ssltest.StartMachine(t, fast),
				ssltest.StartMachine(t, -fast)
			for _, version := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
				cli := ssltest.ClientConfig(t)
				cli.MaxVersion = version
				cctx := ssltest.NewClientCtx(t, cli)
				for _, way := range []struct {
					what     string
					from, to *ssltest.Server
					resumed  bool
				}{
					{"right to ahead", right, ahead, true},
					{"right to behind", right, behind, true},
					{"ahead to right", ahead, right, true},
					{"ahead to behind", ahead, behind, limit == 0},
					{"behind to right", behind, right, true},
					{"behind to ahead", behind, ahead, true},
				} {
					c := ssltest.Dial(t, way.from, cctx, nil)
					c = ssltest.Dial(t, way.to, cctx, ssltest.SessionOf(t, c))
					if c.SessionReused() != way.resumed {
						t.Errorf("%s, %s: %v", ssl.VersionName(version), way.what, c.ReuseState())
					}
					c = ssltest.Dial(t, way.to, cctx, ssltest.SessionOf(t, c))
					if !c.SessionReused() {
						t.Errorf("%s, %s: back at once: %v", ssl.VersionName(version), way.what, c.ReuseState())
					}
				}
			}
		})
	}
}

// sharedSecret is a server with keys that its machine derives by its own clock.
func sharedSecret(t *testing.T, limit time.Duration) *ssl.Config {
	t.Helper()
	keys, err := ssl.DeriveTicketKeys(ssltest.SealKey(9), time.Hour, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	srv := ssltest.ServerConfig(t)
	srv.TicketKeys, srv.MaxSessionAge = keys, limit
	return srv
}
