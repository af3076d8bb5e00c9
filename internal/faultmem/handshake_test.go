package faultmem_test

import (
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

func forEachVersion(t *testing.T, f func(t *testing.T, version uint16)) {
	for _, v := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		t.Run(ssl.VersionName(v), func(t *testing.T) {
			leakcheck.Test(t)
			f(t, v)
		})
	}
}

func TestClientOutOfMemory(t *testing.T) {
	forEachVersion(t, func(t *testing.T, version uint16) {
		l := newLink(t, version, setup{})
		perSite(t, func(op func(string)) (err, wrong error) {
			c := l.clientEnd(nil)
			c.op = op
			return drive(c.run, l.serverEnd().run)
		})
	})
}

func TestServerOutOfMemory(t *testing.T) {
	forEachVersion(t, func(t *testing.T, version uint16) {
		l := newLink(t, version, setup{mutual: true})
		perSite(t, func(op func(string)) (err, wrong error) {
			s := l.serverEnd()
			s.op = op
			return drive(s.run, l.clientEnd(nil).run)
		})
	})
}

// The handshake waits for the application's judgement of the server's certificate, and for its
// own certificate.
func TestJudgingClientOutOfMemory(t *testing.T) {
	forEachVersion(t, func(t *testing.T, version uint16) {
		l := newLink(t, version, setup{judge: true, mutual: true})
		perSite(t, func(op func(string)) (err, wrong error) {
			c := l.clientEnd(nil)
			c.op = op
			return drive(c.run, l.serverEnd().run)
		})
	})
}

// The connection begins anew from the chosen Ctx.
func TestVirtualHostOutOfMemory(t *testing.T) {
	forEachVersion(t, func(t *testing.T, version uint16) {
		l := newLink(t, version, setup{host: true})
		perSite(t, func(op func(string)) (err, wrong error) {
			s := l.serverEnd()
			s.op = op
			return drive(s.run, l.clientEnd(nil).run)
		})
	})
}

func TestResumingClientOutOfMemory(t *testing.T) {
	forEachVersion(t, func(t *testing.T, version uint16) {
		l := newLink(t, version, setup{})
		offer := l.session(t)
		defer offer.Close()
		for _, shared := range []bool{false, true} {
			resumed := 0
			perSite(t, func(op func(string)) (err, wrong error) {
				c := l.clientEnd(offer)
				c.op, c.shared, c.resume = op, shared, &resumed
				return drive(c.run, l.serverEnd().run)
			})
			if resumed < 2 {
				t.Errorf("%d handshakes resumed: the sweep was one of full ones", resumed)
			}
		}
	})
}

func TestResumingServerOutOfMemory(t *testing.T) {
	forEachVersion(t, func(t *testing.T, version uint16) {
		l := newLink(t, version, setup{mutual: true})
		offer := l.session(t)
		defer offer.Close()
		resumed := 0
		perSite(t, func(op func(string)) (err, wrong error) {
			s := l.serverEnd()
			s.op, s.resume = op, &resumed
			return drive(s.run, l.clientEnd(offer).run)
		})
		if resumed < 2 {
			t.Errorf("%d handshakes resumed: the sweep was one of full ones", resumed)
		}
	})
}

// After a handshake there are few allocations: each of them fails once.
func TestDataOutOfMemory(t *testing.T) {
	forEachVersion(t, func(t *testing.T, version uint16) {
		l := newLink(t, version, setup{})
		after := []string{"Conn.Write", "Conn.Read", "Conn.Session", "Conn.WithSession", "Conn.Close"}
		every(t, func(op func(string)) (err, wrong error) {
			c := l.clientEnd(nil)
			c.op, c.only = op, after
			return drive(c.run, l.serverEnd().run)
		})
		every(t, func(op func(string)) (err, wrong error) {
			s := l.serverEnd()
			s.op, s.only = op, after
			return drive(s.run, l.clientEnd(nil).run)
		})
	})
}

// A server without memory never takes a client for another than the one it has verified, and a
// client without memory fails.
func TestPostHandshakeAuthOutOfMemory(t *testing.T) {
	leakcheck.Test(t)
	l := newLink(t, ssl.VersionTLS13, setup{later: true})
	after := []string{"Conn.RequestClientCertificate", "Conn.Write", "Conn.Read", "Conn.Close"}
	perSite(t, func(op func(string)) (err, wrong error) {
		s := l.serverEnd()
		s.op, s.only = op, after
		return drive(s.run, l.clientEnd(nil).run)
	})
	perSite(t, func(op func(string)) (err, wrong error) {
		c := l.clientEnd(nil)
		c.op, c.only = op, after
		return drive(c.run, l.serverEnd().run)
	})
}

// A session that could not be offered leaves a connection that works.
func TestSetSessionOutOfMemory(t *testing.T) {
	forEachVersion(t, func(t *testing.T, version uint16) {
		l := newLink(t, version, setup{})
		stamped := l.session(t)
		defer stamped.Close()
		der, err := stamped.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := ssl.ParseSession(der) // its certificate is verified again
		if err != nil {
			t.Fatal(err)
		}
		defer parsed.Close()
		for _, offer := range []*ssl.Session{stamped, parsed} {
			resumed := 0
			every(t, func(op func(string)) (err, wrong error) {
				c := l.clientEnd(offer)
				c.op, c.only, c.resume = op, []string{"Conn.SetSession"}, &resumed
				return drive(c.run, l.serverEnd().run)
			})
			if resumed < 2 {
				t.Errorf("%d handshakes resumed: nothing was offered", resumed)
			}
		}
	})
}
