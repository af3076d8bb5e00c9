package ssltest

import (
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sessl/ssl"
)

// Trusts reports whether a client of the system's roots verifies a server of root.
func Trusts(t testing.TB, cctx *ssl.Ctx, root *Signed) bool {
	t.Helper()
	x, y := TCPPipe(t)
	p := NewPair(t, cctx, NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{root.Pair(t)}}), x, y)
	defer p.CloseBoth()
	c, _ := p.Shake()
	return c == nil
}

// NewRoot is a certificate that has signed itself.
func NewRoot(t testing.TB) *Signed { return Sign(t, "root", nil, time.Now().Add(time.Hour)) }

// SystemClient trusts the system's roots.
var SystemClient = &ssl.Config{ServerName: "localhost"}

// RootPlaces are where the system's roots can be, and how there is another one there.
var RootPlaces = map[string]func(t *testing.T) (put func(*Signed)){
	"file": func(t *testing.T) func(*Signed) {
		file := filepath.Join(t.TempDir(), "roots.pem")
		t.Setenv("SSL_CERT_DIR", t.TempDir())
		t.Setenv("SSL_CERT_FILE", file)
		return func(root *Signed) { PutFile(t, file, root.Pem) }
	},
	"other file": func(t *testing.T) func(*Signed) {
		t.Setenv("SSL_CERT_DIR", t.TempDir())
		return func(root *Signed) {
			file := filepath.Join(t.TempDir(), "roots.pem")
			PutFile(t, file, root.Pem)
			t.Setenv("SSL_CERT_FILE", file)
		}
	},
	"directory": func(t *testing.T) func(*Signed) {
		dir := t.TempDir()
		t.Setenv("SSL_CERT_DIR", t.TempDir()+":"+dir)
		t.Setenv("SSL_CERT_FILE", "")
		return func(root *Signed) { PutFile(t, filepath.Join(dir, HashedName(root, 0)), root.Pem) }
	},
	"link": func(t *testing.T) func(*Signed) {
		dir, file := t.TempDir(), filepath.Join(t.TempDir(), "root.pem")
		t.Setenv("SSL_CERT_DIR", dir)
		t.Setenv("SSL_CERT_FILE", "")
		return func(root *Signed) {
			PutFile(t, file, root.Pem)
			if err := os.Symlink(file, filepath.Join(dir, HashedName(root, 0))); err != nil && !errors.Is(err,
				os.ErrExist) {
				t.Fatal(err)
			}
		}
	},
}

// HashedName is how a directory names a root with one common name and nothing else, in lower
// case: by the SHA-1 of that name without the outer sequence (X509_NAME_hash).
func HashedName(root *Signed, n int) string {
	name := root.Cert.Subject.CommonName
	attr := append([]byte{0x06, 3, 0x55, 4, 3, 0x0c, byte(len(name))}, name...)
	sum := sha1.Sum(append([]byte{0x31, byte(len(attr) + 2), 0x30, byte(len(attr))}, attr...))
	return fmt.Sprintf("%08x.%d", binary.LittleEndian.Uint32(sum[:]), n)
}

// PutFile writes a file.
func PutFile(t testing.TB, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
