package trust_test

import (
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// expiringPair is of localhost, under an intermediate that is good until then; the leaf and the
// root in the pool are good for longer.
func expiringPair(t testing.TB, until time.Time) (*ssl.CertPool, ssl.Certificate) {
	t.Helper()
	root := ssltest.Sign(t, "root", nil, until.Add(time.Hour))
	middle := ssltest.Sign(t, "intermediate", root, until)
	leaf := ssltest.Sign(t, "localhost", middle, until.Add(time.Hour))
	key, err := x509.MarshalECPrivateKey(leaf.Key)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ssl.X509KeyPair(append(leaf.Pem, middle.Pem...),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key}))
	if err != nil {
		t.Fatal(err)
	}
	pool := ssl.NewCertPool()
	if err := pool.AppendCerts(root.Pem); err != nil {
		t.Fatal(err)
	}
	return pool, pair
}

// stale is a client with a session, a server, and who of the two has an expiring peer.
type stale struct {
	what string
	cctx *ssl.Ctx
	next func() *ssl.Ctx
	s    *ssl.Session
}

// newStale makes one in each form and for each side.
func newStale(t *testing.T, until time.Time) (all []stale) {
	pool, pair := expiringPair(t, until)
	for _, side := range []string{"server", "client"} {
		for _, fm := range ssltest.AgingForms {
			srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
			srv.MaxVersion, cli.MaxVersion = fm.Version, fm.Version
			if side == "server" {
				srv.ClientAuth, srv.ClientCAs, cli.Certificates = ssl.RequireAndVerifyClientCert, pool,
					[]ssl.Certificate{pair}
			} else {
				srv.Certificates, cli.RootCAs = []ssl.Certificate{pair}, pool
			}
			a, cctx := ssltest.NewAging(t, srv, fm.Setup(t, srv)), ssltest.NewClientCtx(t, cli)
			p := ssltest.Meet(t, cctx, a.Next(), nil)
			all = append(all, stale{side + ", " + fm.Name, cctx, a.Next, ssltest.SessionOf(t, p.Client)})
			p.CloseBoth()
		}
	}
	return all
}

// A certificate anywhere in the peer's chain that expires ends its resumption, in all forms
// and on both sides, as it ends full handshakes (CVE-2025-68121 is such a check of the leaf only).
func TestAttackIntermediateExpiresMeanwhile(t *testing.T) {
	leakcheck.Test(t)
	clock := ssltest.NewClock(t)
	all := newStale(t, clock.Now().Add(time.Minute))
	clock.Pass(time.Minute + 2*time.Second) // OpenSSL counts in seconds
	for _, st := range all {
		for _, offer := range []*ssl.Session{nil, st.s} {
			x, y := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, st.cctx, st.next(), x, y)
			if offer != nil {
				if err := p.Client.SetSession(offer); err != nil {
					t.Error(err)
				}
			}
			if c, s := p.Shake(); c == nil && s == nil {
				t.Errorf("%s: passed, resumed is %t", st.what, p.Client.SessionReused())
			}
			p.CloseBoth()
		}
	}
}
