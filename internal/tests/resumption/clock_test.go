package resumption_test

import (
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A session ends with its timeout, in every form, for libssl and for the caches in Go at the same
// moment: both ends take it a minute before, and neither does a minute after.
func TestSessionsExpire(t *testing.T) {
	const life = time.Hour
	for _, fm := range ssltest.AgingForms {
		t.Run(fm.Name, func(t *testing.T) {
			leakcheck.Test(t)
			srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
			srv.MaxVersion, cli.MaxVersion = fm.Version, fm.Version
			srv.SessionTimeout, cli.SessionTimeout = life, life
			a := ssltest.NewAging(t, srv, fm.Setup(t, srv))
			cctx, cache := ssltest.NewClientCtx(t, cli), ssltest.NewCache(t, 0)
			ssltest.Attend(t, cctx, a.Next(), cache, ssltest.Here)
			a.Pass(life - time.Minute)
			c, s := ssltest.Attend(t, cctx, a.Next(), cache, ssltest.Here)
			if !c.Resumed() || !s.Resumed() {
				t.Errorf("a minute before its end: %v, %v", c, s)
			}
			offers := ssltest.NewInbox(t, cli) // sessions that no cache judges
			held := ssltest.NewClientCtx(t, cli)
			ssltest.Meet(t, held, a.Next(), nil).CloseBoth()
			old := offers.Last(t)
			a.Pass(life + time.Minute) // also after the end of what the resumption brought
			c, s = ssltest.Attend(t, cctx, a.Next(), cache, ssltest.Here)
			if c != ssl.ReuseExpired || s.Resumed() {
				t.Errorf("a minute after its end: %v, %v", c, s)
			}
			p := ssltest.Meet(t, held, a.Next(), old)
			if p.Server.SessionReused() || p.Client.SessionReused() {
				t.Error("what the application offers is resumed a minute after its end")
			}
			if got, want := p.Client.ReuseState(), expiredState(fm.Version); got != want {
				t.Errorf("what the application offers is %q a minute after its end, want %q", got, want)
			}
			p.CloseBoth()
			if st := cache.Stats(); st.Expired == 0 {
				t.Errorf("the client's cache: %+v", st)
			}
		})
	}
}

// expiredState is what becomes of an expired session that an application offers: libssl leaves it out
// of a ClientHello of TLS 1.3, and offers it in TLS 1.2.
func expiredState(version uint16) ssl.ReuseState {
	if version == ssl.VersionTLS13 {
		return ssl.ReuseExpired
	}
	return ssl.ReuseDeclined
}
