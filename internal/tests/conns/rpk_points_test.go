package conns_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"os"
	"path/filepath"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

var curves = map[elliptic.Curve]asn1.ObjectIdentifier{
	elliptic.P256(): {1, 2, 840, 10045, 3, 1, 7}, elliptic.P384(): {1, 3, 132, 0, 34},
}

// compressedPoint is the point of public by its first coordinate, and which of two it is.
func compressedPoint(t *testing.T, public *ecdsa.PublicKey) []byte {
	t.Helper()
	point := ssltest.Must[[]byte](t)(public.Bytes())
	return append([]byte{2 | point[len(point)-1]&1}, point[1:(len(point)+1)/2]...)
}

// compressedKey is public with a compressed point; uncompressed keys come from crypto/x509.
func compressedKey(t *testing.T, public *ecdsa.PublicKey) []byte {
	t.Helper()
	point := compressedPoint(t, public)
	curve := ssltest.Must[[]byte](t)(asn1.Marshal(curves[public.Curve]))
	return ssltest.Must[[]byte](t)(asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Point     asn1.BitString
	}{
		pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1},
			Parameters: asn1.RawValue{FullBytes: curve}},
		asn1.BitString{Bytes: point, BitLength: 8 * len(point)},
	}))
}

// fileWithCompressedPoint is a file with a private key, in which the point of its public key is compressed.
func fileWithCompressedPoint(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	point := compressedPoint(t, &key.PublicKey)
	der := ssltest.Must[[]byte](t)(asn1.Marshal(struct {
		Version int
		Private []byte
		Curve   asn1.ObjectIdentifier `asn1:"explicit,tag:0"`
		Point   asn1.BitString        `asn1:"explicit,tag:1"`
	}{
		1, ssltest.Must[[]byte](t)(key.Bytes()), curves[key.Curve],
		asn1.BitString{Bytes: point, BitLength: 8 * len(point)},
	}))
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, der, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A key is the same with its point compressed or not: in a list, in a file, in a peer's session.
func TestRawKeysWithCompressedPoints(t *testing.T) {
	needRaw(t)
	for curve := range curves {
		key := ecdsaKey(t, curve)
		made, public := bare(t, key)
		read := ssltest.Must[ssl.Certificate](t)(ssl.LoadPrivateKey(fileWithCompressedPoint(t, key), nil))
		for _, cert := range []ssl.Certificate{made, read} {
			for _, pin := range [][]byte{public, compressedKey(t, &key.PublicKey)} {
				for _, set := range rawVersions {
					srv := &ssl.Config{Certificates: []ssl.Certificate{cert}, CertificateTypes: rawTypes}
					cli := &ssl.Config{PeerCertificateTypes: rawTypes, PeerRawPublicKeys: [][]byte{pin}}
					set(srv)
					p := ssltest.NewTCPPair(t, cli, srv)
					p.MustShake(t)
					wantClientSees(t, p.Client, public)
					p.CloseBoth()
				}
			}
		}
	}
}

// compressedPeer is s with the point of the peer's key compressed, as a peer may send it.
func compressedPeer(t *testing.T, s *ssl.Session, public *ecdsa.PublicKey) *ssl.Session {
	t.Helper()
	var session struct{ Fields []asn1.RawValue }
	der := ssltest.Marshal(t, s)
	if rest, err := asn1.Unmarshal(der, &session.Fields); err != nil || len(rest) > 0 {
		t.Fatal(err)
	}
	plain := ssltest.Must[[]byte](t)(x509.MarshalPKIXPublicKey(public))
	for i, f := range session.Fields {
		if f.Class == asn1.ClassContextSpecific && bytes.HasSuffix(f.Bytes, plain) {
			octets := ssltest.Must[[]byte](t)(asn1.Marshal(compressedKey(t, public)))
			session.Fields[i] = asn1.RawValue{Class: f.Class, Tag: f.Tag, IsCompound: true, Bytes: octets}
		}
	}
	changed := ssltest.Must[[]byte](t)(asn1.Marshal(session.Fields))
	if bytes.Equal(changed, der) {
		t.Fatal("the session does not have the key")
	}
	d := ssltest.Must[*ssl.Session](t)(ssl.ParseSession(changed))
	t.Cleanup(func() { d.Close() })
	return d
}

func TestSessionOfCompressedRawKey(t *testing.T) {
	needRaw(t)
	for version, set := range rawVersions {
		key := ecdsaKey(t, elliptic.P256())
		cert, public := bare(t, key)
		srv := &ssl.Config{Certificates: []ssl.Certificate{cert}, CertificateTypes: rawTypes}
		cli := &ssl.Config{PeerCertificateTypes: rawTypes, PeerRawPublicKeys: [][]byte{public}}
		set(srv)
		sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		p := ssltest.Meet(t, cctx, sctx, nil)
		offer := compressedPeer(t, ssltest.SessionOf(t, p.Client), &key.PublicKey)
		p.CloseBoth()
		if got := ssltest.Get(t, offer.PeerRawPublicKey); !bytes.Equal(got, public) {
			t.Errorf("%s: the session has the key %x", version, got)
		}
		p = ssltest.Meet(t, cctx, sctx, offer)
		if !p.Client.SessionReused() {
			t.Errorf("%s: %v", version, p.Client.ReuseState())
		}
		wantClientSees(t, p.Client, public)
		p.CloseBoth()
	}
}

// Lists that differ only in whether points are compressed are one: sessions resume under either, at a server
// and from a client's cache.
func TestRawListsWithCompressedPoints(t *testing.T) {
	needRaw(t)
	srv, cli, _ := rawBoth(t)
	srv.TicketKeys = randomKeys(t)
	key := ecdsaKey(t, elliptic.P256())
	cert, public := bare(t, key)
	lists := [][][]byte{{public}, {compressedKey(t, &key.PublicKey)}, {public, compressedKey(t, &key.PublicKey)}}
	srv.Certificates, cli.Certificates = []ssl.Certificate{cert}, []ssl.Certificate{cert}
	cache := ssltest.NewCache(t, 8)
	for i, list := range lists {
		srv.PeerRawPublicKeys, cli.PeerRawPublicKeys = list, list
		p := ssltest.Cached(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), cache, ssltest.Here)
		p.MustShake(t)
		p.Echo(t)
		if c, s := p.Client.ReuseState(), p.Server.ReuseState(); p.Client.SessionReused() != (i > 0) {
			t.Errorf("list %d: the client says %v, the server %v", i, c, s)
		}
		p.CloseBoth()
	}
}
