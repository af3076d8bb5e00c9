package ssl_test

import (
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// BenchmarkTicketKeys resumes with libssl's own key, with one of ours, and with an old one of
// ours, which is renewed. cpu-ns is what both ends compute.
func BenchmarkTicketKeys(b *testing.B) {
	for _, version := range ssltest.Versions {
		for _, which := range []string{"libssl", "current", "old", "both"} {
			b.Run(ssl.VersionName(version)+"/"+which, func(b *testing.B) { benchTicketKeys(b, version, which) })
		}
	}
}

func benchTicketKeys(b *testing.B, version uint16, which string) {
	srv, cli := ssltest.ServerConfig(b), ssltest.ClientConfig(b)
	cli.MaxVersion = version
	key := ssltest.NewTicketKey(b)
	if which != "libssl" {
		srv.TicketKeys = ssltest.TicketKeys(b, ssl.TicketKeySet{Current: key})
	}
	if which == "both" {
		srv.SessionCache = ssltest.NewServerCache(b, nil)
	}
	s := ssltest.StartServer(b, srv)
	ctx := ssltest.NewClientCtx(b, cli)
	c := ssltest.Dial(b, s, ctx, nil)
	first := ssltest.SessionOf(b, c)
	c.Close()
	if which == "old" {
		ssltest.MustSet(b, srv.TicketKeys,
			ssl.TicketKeySet{Current: ssltest.NewTicketKey(b), Old: []ssl.TicketKey{key}})
	}
	before := cpuTime(b)
	for b.Loop() {
		c := ssltest.Dial(b, s, ctx, first)
		if !c.SessionReused() {
			b.Fatal("not resumed")
		}
		c.Close()
	}
	b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}
