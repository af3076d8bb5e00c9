package faultmem_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"net"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Without memory a peer's raw public key is refused, or its connection fails: none is accepted whose key is
// not known afterwards.
func TestRawKeyOutOfMemory(t *testing.T) {
	leakcheck.Test(t)
	key := ssltest.Must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	cert, err := ssl.CertificateFromKey(key)
	if errors.Is(err, ssl.ErrUnsupported) {
		return // as TestRawKeysNeedOpenSSL32 wants it of such a library
	}
	if err != nil {
		t.Fatal(err)
	}
	public := ssltest.Must[[]byte](t)(x509.MarshalPKIXPublicKey(key.Public()))
	raw := []ssl.CertificateType{ssl.CertificateTypeRawPublicKey}
	l := newLink(t, ssl.VersionTLS13, setup{})
	l.server = ssltest.NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{cert}, CertificateTypes: raw})
	type judge func(ssl.ConnectionState) error
	client := func(st *ssl.ConnectionState, j judge) func(net.Conn) (err, wrong error) {
		return func(conn net.Conn) (err, wrong error) {
			ctx, err := ssl.NewClientCtx(&ssl.Config{PeerCertificateTypes: raw, PeerRawPublicKeys: [][]byte{public},
				VerifyConnection: j})
			if err != nil {
				return err, nil
			}
			defer ctx.Close()
			c, err := ssl.Client(conn, ctx)
			if err != nil {
				return err, nil
			}
			defer c.Close()
			err = c.Handshake()
			*st = c.ConnectionState()
			return err, nil
		}
	}
	var judged error
	sees := func(s ssl.ConnectionState) error {
		if !bytes.Equal(s.PeerRawPublicKey, public) {
			judged = errors.New("VerifyConnection does not see the key of the server")
		}
		return nil
	}
	for _, j := range []judge{nil, sees} {
		perSite(t, func(op func(string)) (err, wrong error) {
			op("Conn.Handshake")
			var st ssl.ConnectionState
			judged = nil
			err, wrong = drive(client(&st, j), serve(l))
			if err == nil && !bytes.Equal(st.PeerRawPublicKey, public) {
				wrong = errors.Join(wrong, errors.New("the client does not know the key of its server"))
			}
			return err, errors.Join(wrong, judged)
		})
	}
}
