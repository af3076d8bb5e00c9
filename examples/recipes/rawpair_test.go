package recipes

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// keyFiles makes the files with a key, as openssl genpkey and openssl pkey do.
func keyFiles(t *testing.T) (private, public string) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	private, public = filepath.Join(dir, "own.key"), filepath.Join(dir, "own.pub")
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY",
		Bytes: ssltest.Must[[]byte](t)(x509.MarshalPKCS8PrivateKey(key))})
	der := ssltest.Must[[]byte](t)(x509.MarshalPKIXPublicKey(pub))
	if err := errors.Join(os.WriteFile(private, text, 0o600), os.WriteFile(public, der, 0o644)); err != nil {
		t.Fatal(err)
	}
	return private, public
}

// Both are verified, and a third one is refused as either.
func TestRawPair(t *testing.T) {
	leakcheck.Test(t)
	aKey, aPublic := keyFiles(t)
	bKey, bPublic := keyFiles(t)
	cKey, _ := keyFiles(t)
	a, err := rawPair(aKey, bPublic, false)
	if ssltest.LibraryRelease() < "3.2" {
		if !errors.Is(err, ssl.ErrUnsupported) {
			t.Errorf("without raw public keys: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	b := ssltest.Must[*ssl.Config](t)(rawPair(bKey, aPublic, true))
	p := ssltest.Meet(t, ssltest.NewClientCtx(t, a), ssltest.NewServerCtx(t, b), nil)
	for _, s := range []ssl.ConnectionState{p.Client.ConnectionState(), p.Server.ConnectionState()} {
		if !s.Verified || s.PeerCertificateType != ssl.CertificateTypeRawPublicKey {
			t.Errorf("verified %t, by %v", s.Verified, s.PeerCertificateType)
		}
	}
	p.CloseBoth()
	client := ssltest.Must[*ssl.Config](t)(rawPair(cKey, bPublic, false))
	_, err = ssltest.NewTCPPair(t, client, b).ShakeUntilClosed()
	ssltest.RefusalOf(t, err)
	server := ssltest.Must[*ssl.Config](t)(rawPair(cKey, aPublic, true))
	err, _ = ssltest.NewTCPPair(t, a, server).Shake()
	ssltest.RefusalOf(t, err)
}
