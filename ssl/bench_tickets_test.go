package ssl_test

import (
	"testing"

	"sessl/ssl"
)

// BenchmarkTicketKeys resumes with libssl's own key, with one of ours, and with an old one of
// ours, which is renewed. cpu-ns is what both ends compute.
func BenchmarkTicketKeys(b *testing.B) {
	for _, version := range versions {
		for _, which := range []string{"libssl", "current", "old"} {
			b.Run(ssl.VersionName(version)+"/"+which, func(b *testing.B) { benchTicketKeys(b, version, which) })
		}
	}
}

func benchTicketKeys(b *testing.B, version uint16, which string) {
	srv, cli := serverConfig(b), clientConfig(b)
	cli.MaxVersion = version
	key := newTicketKey(b)
	if which != "libssl" {
		srv.TicketKeys = ticketKeys(b, ssl.TicketKeySet{Current: key})
	}
	s := startServer(b, srv)
	ctx := newClientCtx(b, cli)
	c := dial(b, s, ctx, nil)
	first := sessionOf(b, c)
	c.Close()
	if which == "old" {
		mustSet(b, srv.TicketKeys, ssl.TicketKeySet{Current: newTicketKey(b), Old: []ssl.TicketKey{key}})
	}
	before := cpuTime(b)
	for b.Loop() {
		c := dial(b, s, ctx, first)
		if !c.SessionReused() {
			b.Fatal("not resumed")
		}
		c.Close()
	}
	b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}
