package ssl_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// signed is a certificate with its key.
type signed struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func sign(t testing.TB, name string, by *signed, until time.Time) *signed {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	what := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: until, BasicConstraintsValid: true, IsCA: name != "localhost"}
	issuer := &signed{cert: what, key: key}
	if by != nil {
		issuer = by
	}
	der, err := x509.CreateCertificate(rand.Reader, what, issuer.cert, key.Public(), issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &signed{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// expiringPair is of localhost, under an intermediate that is good until then; the leaf and the
// root in the pool are good for longer.
func expiringPair(t testing.TB, until time.Time) (*ssl.CertPool, ssl.Certificate) {
	t.Helper()
	root := sign(t, "root", nil, until.Add(time.Hour))
	middle := sign(t, "intermediate", root, until)
	leaf := sign(t, "localhost", middle, until.Add(time.Hour))
	key, err := x509.MarshalECPrivateKey(leaf.key)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ssl.X509KeyPair(append(leaf.pem, middle.pem...), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key}))
	if err != nil {
		t.Fatal(err)
	}
	pool := ssl.NewCertPool()
	if err := pool.AppendCerts(root.pem); err != nil {
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

// newStale makes one in each form and for each side; not ok means that it has taken too long.
func newStale(t *testing.T, until time.Time) (all []stale, ok bool) {
	pool, pair := expiringPair(t, until)
	for _, side := range []string{"server", "client"} {
		for _, fm := range agingForms {
			srv, cli := serverConfig(t), clientConfig(t)
			srv.MaxVersion, cli.MaxVersion = fm.version, fm.version
			if side == "server" {
				srv.ClientAuth, srv.ClientCAs, cli.Certificates = ssl.RequireAndVerifyClientCert, pool, []ssl.Certificate{pair}
			} else {
				srv.Certificates, cli.RootCAs = []ssl.Certificate{pair}, pool
			}
			a, cctx := newAging(t, srv, fm.setup(t, srv)), newClientCtx(t, cli)
			x, y := tcpPipe(t)
			p := newPair(t, cctx, a.next(), x, y)
			if c, s := p.shake(); c != nil || s != nil || !time.Now().Before(until) {
				return nil, false
			}
			p.echo(t)
			all = append(all, stale{side + ", " + fm.name, cctx, a.next, sessionOf(t, p.client)})
			p.closeBoth()
		}
	}
	return all, true
}

// A certificate anywhere in the peer's chain that expires ends its resumption, in all forms
// and on both sides, as it ends full handshakes (CVE-2025-68121 is such a check of the leaf only).
func TestAttackIntermediateExpiresMeanwhile(t *testing.T) {
	leakcheck.Test(t)
	var all []stale
	var until time.Time
	for life, ok := 2*time.Second, false; !ok; life *= 2 {
		until = time.Now().Add(life).Truncate(time.Second)
		all, ok = newStale(t, until)
	}
	<-time.After(time.Until(until.Add(1100 * time.Millisecond))) // OpenSSL counts in seconds
	for _, st := range all {
		for _, offer := range []*ssl.Session{nil, st.s} {
			x, y := tcpPipe(t)
			p := newPair(t, st.cctx, st.next(), x, y)
			if offer != nil {
				if err := p.client.SetSession(offer); err != nil {
					t.Error(err)
				}
			}
			if c, s := p.shake(); c == nil && s == nil {
				t.Errorf("%s: passed, resumed is %t", st.what, p.client.SessionReused())
			}
			p.closeBoth()
		}
	}
}
