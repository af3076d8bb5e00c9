package conns_test

import (
	"math"
	"testing"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Deadlines that do not fit into 64 bits of nanoseconds are what they say: never, or long
// ago.
func TestDeadlinesFarAway(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		for _, far := range []time.Time{
			time.Date(2262, 4, 12, 0, 0, 0, 0, time.UTC),
			time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
			time.Now().Add(math.MaxInt64),
			time.Unix(1<<60, 0),
		} {
			if err := p.Client.SetDeadline(far); err != nil {
				t.Fatalf("%v: %v", far, err)
			}
			p.Echo(t)
		}
		for _, past := range []time.Time{
			time.Unix(0, 0),
			time.Unix(0, -1),
			time.Date(1677, 1, 1, 0, 0, 0, 0, time.UTC),
			time.Time{}.Add(time.Second),
			time.Unix(-1<<60, 0),
		} {
			if err := p.Client.SetDeadline(past); err != nil {
				t.Fatalf("%v: %v", past, err)
			}
			if n, err := p.Client.Read(make([]byte, 1)); n != 0 || !ssltest.IsTimeout(err) {
				t.Errorf("%v: Read: %d, %v", past, n, err)
			}
			if n, err := p.Client.Write([]byte("x")); n != 0 || !ssltest.IsTimeout(err) {
				t.Errorf("%v: Write: %d, %v", past, n, err)
			}
		}
		p.Client.SetDeadline(time.Time{})
		p.Echo(t)
	})
}
