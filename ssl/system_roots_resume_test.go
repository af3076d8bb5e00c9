package ssl_test

import (
	"crypto/sha1"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// rootPlaces are where the system's roots can be, and how there is another one there.
var rootPlaces = map[string]func(t *testing.T) (put func(*signed)){
	"file": func(t *testing.T) func(*signed) {
		file := filepath.Join(t.TempDir(), "roots.pem")
		t.Setenv("SSL_CERT_DIR", t.TempDir())
		t.Setenv("SSL_CERT_FILE", file)
		return func(root *signed) { putFile(t, file, root.pem) }
	},
	"other file": func(t *testing.T) func(*signed) {
		t.Setenv("SSL_CERT_DIR", t.TempDir())
		return func(root *signed) {
			file := filepath.Join(t.TempDir(), "roots.pem")
			putFile(t, file, root.pem)
			t.Setenv("SSL_CERT_FILE", file)
		}
	},
	"directory": func(t *testing.T) func(*signed) {
		dir := t.TempDir()
		t.Setenv("SSL_CERT_DIR", t.TempDir()+":"+dir)
		t.Setenv("SSL_CERT_FILE", "")
		return func(root *signed) { putFile(t, filepath.Join(dir, hashedName(root, 0)), root.pem) }
	},
	"link": func(t *testing.T) func(*signed) {
		dir, file := t.TempDir(), filepath.Join(t.TempDir(), "root.pem")
		t.Setenv("SSL_CERT_DIR", dir)
		t.Setenv("SSL_CERT_FILE", "")
		return func(root *signed) {
			putFile(t, file, root.pem)
			if err := os.Symlink(file, filepath.Join(dir, hashedName(root, 0))); err != nil && !errors.Is(err, os.ErrExist) {
				t.Fatal(err)
			}
		}
	},
}

// hashedName is how a directory names a root with one common name and nothing else, in lower
// case: by the SHA-1 of that name without the outer sequence (X509_NAME_hash).
func hashedName(root *signed, n int) string {
	name := root.cert.Subject.CommonName
	attr := append([]byte{0x06, 3, 0x55, 4, 3, 0x0c, byte(len(name))}, name...)
	sum := sha1.Sum(append([]byte{0x31, byte(len(attr) + 2), 0x30, byte(len(attr))}, attr...))
	return fmt.Sprintf("%08x.%d", binary.LittleEndian.Uint32(sum[:]), n)
}

func putFile(t testing.TB, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// pair is a certificate of localhost for both sides.
func (by *signed) pair(t testing.TB) ssl.Certificate {
	t.Helper()
	leaf := sign(t, "localhost", by, time.Now().Add(time.Hour))
	key, err := x509.MarshalECPrivateKey(leaf.key)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ssl.X509KeyPair(leaf.pem, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key}))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// When the system does not trust a CA any more, new Ctxs do not resume what was verified by it:
// a client no session of a server, and a server none of a client, in all forms that outlive a
// Ctx. The root that has taken its place has the same name, and so has its file.
func TestAttackSystemRootsHaveChanged(t *testing.T) {
	for place, setup := range rootPlaces {
		for _, side := range []string{"client", "server"} {
			for _, fm := range agingForms {
				if side == "server" && (keptByLibssl(fm.name) || fm.name == "TLS1.2-ticket" || fm.name == "TLS1.3-stateless") {
					continue // they do not
				}
				t.Run(place+" "+side+" "+fm.name, func(t *testing.T) {
					leakcheck.Test(t)
					root := sign(t, "root", nil, time.Now().Add(time.Hour))
					put := setup(t)
					put(root)
					srv, cli := serverConfig(t), clientConfig(t)
					srv.MaxVersion, cli.MaxVersion = fm.version, fm.version
					if side == "client" {
						cli.RootCAs, srv.Certificates = nil, []ssl.Certificate{root.pair(t)}
					} else {
						cli.Certificates = []ssl.Certificate{root.pair(t)}
						srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssl.SystemCertPool()
					}
					fresh := fm.setup(t, srv)
					if side == "server" && fresh == nil {
						fresh = func(*ssl.Config) {}
					}
					a, cache := newAging(t, srv, fresh), newCache(t, 0)
					s := wantVisit(t, newClientCtx(t, cli), a.next(), nil, false)
					s = wantVisit(t, newClientCtx(t, cli), a.next(), s, true)
					attend(t, newClientCtx(t, cli), a.next(), cache, here)
					if c, _ := attend(t, newClientCtx(t, cli), a.next(), cache, here); !c.Resumed() {
						t.Fatalf("from the cache: %q", c)
					}

					put(sign(t, "root", nil, time.Now().Add(time.Hour)))
					for _, give := range []func(*ssl.Conn) error{
						func(*ssl.Conn) error { return nil },
						func(c *ssl.Conn) error { return c.SetSession(s) },
						func(c *ssl.Conn) error { return c.UseSessionCache(cache, here) },
					} {
						x, y := tcpPipe(t)
						p := newPair(t, newClientCtx(t, cli), a.next(), x, y)
						if err := give(p.client); err != nil {
							t.Fatal(err)
						}
						if c, s := p.shake(); c == nil && s == nil {
							t.Errorf("passed, resumed is %t", p.client.SessionReused())
						}
						p.closeBoth()
					}
				})
			}
		}
	}
}

// A Ctx trusts what the system trusted when it was made, whatever becomes of the files: they may
// go, as in a sandbox, and what comes later is trusted by later Ctxs.
func TestSystemRootsAreThoseOfTheStart(t *testing.T) {
	for place, setup := range rootPlaces {
		t.Run(place, func(t *testing.T) {
			leakcheck.Test(t)
			put := setup(t)
			old, later := sign(t, "old", nil, time.Now().Add(time.Hour)), sign(t, "old", nil, time.Now().Add(time.Hour))
			sctx := map[*signed]*ssl.Ctx{}
			for _, root := range []*signed{old, later} {
				sctx[root] = newServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{root.pair(t)}})
			}
			verifies := func(what string, cctx *ssl.Ctx, root *signed, want bool) {
				t.Helper()
				x, y := tcpPipe(t)
				p := newPair(t, cctx, sctx[root], x, y)
				if c, _ := p.shake(); (c == nil) != want {
					t.Errorf("%s: %v", what, c)
				}
				p.closeBoth()
			}
			cfg := &ssl.Config{ServerName: "localhost"}
			empty := newClientCtx(t, cfg)
			put(old)
			first := newClientCtx(t, cfg)
			put(later)
			second := newClientCtx(t, cfg)
			verifies("a root that came later", empty, old, false)
			verifies("the root of then", first, old, true)
			verifies("the root of now, by a Ctx of before", first, later, false)
			verifies("the root of now", second, later, true)
			verifies("the root of before", second, old, false)
			for _, dir := range filepath.SplitList(os.Getenv("SSL_CERT_DIR")) {
				os.RemoveAll(dir)
			}
			os.Remove(os.Getenv("SSL_CERT_FILE"))
			verifies("after the files went", first, old, true)
			verifies("after the files went", second, later, true)
			verifies("made afterwards", newClientCtx(t, cfg), later, false)
		})
	}
}
