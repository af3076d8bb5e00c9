package errs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// identity is a certificate with its key, for both libraries.
type identity struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	sent [][]byte // with its issuers, but for the root
}

// issue makes a certificate that by has signed, or itself if by is nil.
func issue(t *testing.T, by *identity, cn string, change func(*x509.Certificate)) *identity {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	must(err)
	what := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: cn},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true}
	change(what)
	issuer := &identity{cert: what, key: key}
	if by != nil {
		issuer = by
	}
	der, err := x509.CreateCertificate(rand.Reader, what, issuer.cert, key.Public(), issuer.key)
	must(err)
	cert, err := x509.ParseCertificate(der)
	must(err)
	i := &identity{cert: cert, key: key}
	if by != nil {
		i.sent = append([][]byte{der}, by.sent...)
	}
	return i
}

func authority(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign }

// leaf is for localhost, and for both sides.
func leaf(c *x509.Certificate) {
	c.DNSNames, c.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	c.KeyUsage = x509.KeyUsageDigitalSignature
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
}

func (i *identity) std() tls.Certificate {
	sent := i.sent
	if sent == nil {
		sent = [][]byte{i.cert.Raw}
	}
	return tls.Certificate{Certificate: sent, PrivateKey: i.key}
}

func (i *identity) ours(t *testing.T) ssl.Certificate {
	t.Helper()
	c, err := ssl.CertificateFromTLS(i.std())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A side is one end of a connection of either library.
type side interface {
	Handshake() error
	Read([]byte) (int, error)
	Write([]byte) (int, error)
	Close() error
	SetDeadline(time.Time) error
	SetReadDeadline(time.Time) error
}

// An attempt is what both libraries are to do in the same way.
type attempt struct {
	server  bool // the one that is looked at
	version uint16
	name    string    // a client asks for it
	own     *identity // to show
	roots   *identity // to trust; nil: everything is accepted
}

// std makes crypto/tls's side of a over conn.
func (a attempt) std(conn net.Conn) side {
	pool := x509.NewCertPool()
	if a.roots != nil {
		pool.AddCert(a.roots.cert)
	}
	cfg := &tls.Config{MinVersion: a.version, MaxVersion: a.version, ServerName: a.name, RootCAs: pool,
		ClientCAs: pool, InsecureSkipVerify: a.roots == nil}
	if a.own != nil {
		cfg.Certificates = []tls.Certificate{a.own.std()}
	}
	if !a.server {
		return tls.Client(conn, cfg)
	}
	if a.roots != nil {
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return tls.Server(conn, cfg)
}

// ours makes ours.
func (a attempt) ours(t *testing.T, conn net.Conn) side {
	t.Helper()
	cfg := &ssl.Config{MinVersion: a.version, MaxVersion: a.version, ServerName: a.name,
		InsecureSkipVerify: a.roots == nil && !a.server}
	pool := ssl.NewCertPool()
	if a.roots != nil {
		pool.AddCert(a.roots.cert)
	}
	if a.own != nil {
		cfg.Certificates = []ssl.Certificate{a.own.ours(t)}
	}
	var c *ssl.Conn
	var err error
	if a.server {
		if a.roots != nil {
			cfg.ClientAuth, cfg.ClientCAs = ssl.RequireAndVerifyClientCert, pool
		}
		c, err = ssl.Server(conn, ssltest.NewServerCtx(t, cfg))
	} else {
		if a.roots != nil {
			cfg.RootCAs = pool
		}
		c, err = ssl.Client(conn, ssltest.NewClientCtx(t, cfg))
	}
	if err != nil {
		t.Fatal(err)
	}
	if !a.server {
		ssltest.OfferNothing(t, c)
	}
	return c
}

// each runs what peer makes of the other end against both libraries, and returns their errors.
func (a attempt) each(t *testing.T, call func(side) error, peer func(net.Conn)) (std, ours error) {
	t.Helper()
	run := func(begin func(net.Conn) side) error {
		mine, theirs := ssltest.TCPPipe(t)
		s := begin(mine)
		s.SetDeadline(time.Now().Add(ssltest.Timeout))
		theirs.SetDeadline(time.Now().Add(ssltest.Timeout))
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			peer(theirs)
		}()
		err := call(s)
		s.Close()
		mine.Close()
		<-ended
		return err
	}
	std = run(a.std)
	return std, run(func(c net.Conn) side { return a.ours(t, c) })
}

// pemOf is a certificate for files.
func pemOf(i *identity) (cert, key []byte) {
	der, _ := x509.MarshalPKCS8PrivateKey(i.key)
	for _, b := range i.std().Certificate {
		cert = append(cert, ssltest.PEMOf("CERTIFICATE", b)...)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
