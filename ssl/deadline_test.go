package ssl_test

import (
	"math"
	"testing"
	"time"

	"sessl/ssl"
)

// Deadlines that do not fit into 64 bits of nanoseconds are what they say: never, or long
// ago.
func TestDeadlinesFarAway(t *testing.T) {
	forEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		for _, far := range []time.Time{
			time.Date(2262, 4, 12, 0, 0, 0, 0, time.UTC),
			time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
			time.Now().Add(math.MaxInt64),
			time.Unix(1<<60, 0),
		} {
			if err := p.client.SetDeadline(far); err != nil {
				t.Fatalf("%v: %v", far, err)
			}
			p.echo(t)
		}
		for _, past := range []time.Time{
			time.Unix(0, 0),
			time.Unix(0, -1),
			time.Date(1677, 1, 1, 0, 0, 0, 0, time.UTC),
			time.Time{}.Add(time.Second),
			time.Unix(-1<<60, 0),
		} {
			if err := p.client.SetDeadline(past); err != nil {
				t.Fatalf("%v: %v", past, err)
			}
			if n, err := p.client.Read(make([]byte, 1)); n != 0 || !isTimeout(err) {
				t.Errorf("%v: Read: %d, %v", past, n, err)
			}
			if n, err := p.client.Write([]byte("x")); n != 0 || !isTimeout(err) {
				t.Errorf("%v: Write: %d, %v", past, n, err)
			}
		}
		p.client.SetDeadline(time.Time{})
		p.echo(t)
	})
}
