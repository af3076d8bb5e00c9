package early_test

import (
	"io"
	"net"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// spoiled is a net.Conn that harms the last byte of the flight in which a client ends its early
// data: that of its Finished, which goes with the EndOfEarlyData.
type spoiled struct {
	net.Conn
	writes int
	alert  bool // one in the clear takes the place of the Finished
}

func (c *spoiled) Write(b []byte) (int, error) {
	c.writes++
	if c.writes != 2 {
		return c.Conn.Write(b)
	}
	harmed := append([]byte(nil), b...)
	harmed[len(b)-1] ^= 1
	if c.alert {
		var all [][]byte
		for r := range ssltest.Records(b) {
			all = append(all, r)
		}
		harmed = nil
		for _, r := range all[:len(all)-1] {
			harmed = append(harmed, r...)
		}
		harmed = append(harmed, 21, 3, 3, 0, 2, 2, 42)
	}
	_, err := c.Conn.Write(harmed)
	return len(b), err
}

// What ends the handshake right behind early data has its reason, and the Ctx remembers it.
func TestFailureBehindEarlyDataHasAReason(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, _, cli *ssl.Config) {
		if cli.MaxVersion != ssl.VersionTLS13 {
			return
		}
		srv, cli := ssltest.EarlyConfigs(t)
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		for _, alert := range []bool{false, true} {
			for _, drained := range []bool{true, false} { // by the application, or by the handshake
				s := ssltest.EarlySession(t, cctx, sctx)
				a, b := ssltest.TCPPipe(t)
				p := ssltest.NewPair(t, cctx, sctx, &spoiled{Conn: a, alert: alert}, b)
				if err := p.Client.SetSession(s); err != nil {
					t.Fatal(err)
				}
				client := make(chan error, 1)
				go func() { client <- ssltest.WriteEarly(p.Client, "early bird") }()
				got := make([]byte, len("early bird"))
				if _, err := io.ReadFull(ssltest.EarlyReader{C: p.Server}, got); err != nil {
					t.Fatal(err)
				}
				<-client // both records are there
				before := len(sctx.LastFailures())
				var err error
				if drained {
					if _, err = p.Server.ReadEarlyData(got); err == io.EOF {
						err = p.Server.Handshake()
					}
				} else {
					err = p.Server.Handshake()
				}
				wantReason(t, err)
				wantReason(t, p.Server.Handshake()) // it stays
				if f := sctx.LastFailures(); len(f) != before+1 {
					t.Errorf("the Ctx remembers %d failures more", len(f)-before)
				} else {
					wantReason(t, f[0].Err)
				}
				p.CloseBoth()
			}
		}
	})
}

func wantReason(t *testing.T, err error) {
	t.Helper()
	e, ok := err.(*ssl.Error)
	if !ok || len(e.Entries) == 0 {
		t.Errorf("no reason: %v", err)
	}
}
