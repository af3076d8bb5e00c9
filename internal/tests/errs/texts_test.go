package errs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// An error about a file names it.
func TestFilesAreNamed(t *testing.T) {
	leakcheck.Test(t)
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	root := issue(t, nil, "root", authority)
	cert, key := pemOf(issue(t, root, "x", leaf))
	_, otherKey := pemOf(issue(t, root, "y", leaf))
	good, its := file("cert.pem", cert), file("its.key", key)
	other, junk := file("other.key", otherKey), file("junk.pem", []byte("junk"))
	sealed, missing := ssltest.CertFile("server-ecdsa.enc.key"), filepath.Join(dir, "missing")
	server := ssltest.CertFile("server-ecdsa.pem")
	pair := func(cert, key string) error { return ssltest.ErrorOf(ssl.LoadX509KeyPair(cert, key)) }
	reload := func(f ssl.CertificateFiles) error { return ssltest.ErrorOf(ssl.LoadReloadableCertificates(f)) }
	for what, c := range map[string]struct {
		err   error
		is    error
		names []string
	}{
		"no certificate file": {pair(missing, its), os.ErrNotExist, []string{missing}},
		"no key file":         {pair(good, missing), os.ErrNotExist, []string{missing}},
		"no certificate":      {pair(junk, its), ssl.ErrMalformed, []string{junk + ": "}},
		"no key":              {pair(good, junk), ssl.ErrMalformed, []string{junk + ": "}},
		"another's key":       {pair(good, other), ssl.ErrConfig, []string{good, other, "not that of the leaf"}},
		"swapped":             {pair(its, good), ssl.ErrMalformed, []string{good, its, "are swapped"}},
		"the same twice":      {pair(good, good), ssl.ErrMalformed, []string{good + ": ", "no private key"}},
		"encrypted key":       {pair(server, sealed), ssl.ErrPassword, []string{sealed + ": "}},
		"swapped in memory": {ssltest.ErrorOf(ssl.X509KeyPair(key, cert)), ssl.ErrMalformed,
			[]string{"are swapped"}},
		"reload": {reload(ssl.CertificateFiles{CertFile: good, KeyFile: other}), ssl.ErrConfig,
			[]string{other}},
		"staple": {reload(ssl.CertificateFiles{CertFile: good, KeyFile: its, OCSPFile: junk}), ssl.ErrMalformed,
			[]string{junk + ": "}},
		"pool": {ssltest.ErrorOf(ssl.LoadCertPool(junk)), ssl.ErrMalformed, []string{junk}},
		"keys as pool": {ssltest.ErrorOf(ssl.LoadCertPool(its)), ssl.ErrMalformed,
			[]string{its + ": ", "no certificate"}},
		"missing pool":  {ssltest.ErrorOf(ssl.LoadCertPool(missing)), os.ErrNotExist, []string{missing}},
		"list":          {ssltest.ErrorOf(ssl.LoadCRLs(junk)), ssl.ErrMalformed, []string{junk}},
		"ticket key":    {ssltest.ErrorOf(ssl.LoadTicketKeys(junk)), ssl.ErrMalformed, []string{junk}},
		"key of a seal": {ssltest.ErrorOf(ssl.LoadSealKeys(junk)), ssl.ErrMalformed, []string{junk}},
	} {
		if !errors.Is(c.err, c.is) {
			t.Errorf("%s: %v, want %v", what, c.err, c.is)
			continue
		}
		for _, name := range c.names {
			if !strings.Contains(c.err.Error(), name) {
				t.Errorf("%s: %q does not say %q", what, c.err, name)
			}
		}
	}
}

// A Reload that fails names its file, and changes nothing.
func TestReloadNamesItsFile(t *testing.T) {
	leakcheck.Test(t)
	cert, key := pemOf(issue(t, issue(t, nil, "root", authority), "x", leaf))
	path := filepath.Join(t.TempDir(), "both.pem")
	if err := os.WriteFile(path, append(cert, key...), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := ssl.LoadReloadableCertificates(ssl.CertificateFiles{CertFile: path, KeyFile: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(); !errors.Is(err, ssl.ErrMalformed) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
}

// Who gives a call the Ctx of the other side is told which it is.
func TestCtxOfTheOtherSideIsNamed(t *testing.T) {
	leakcheck.Test(t)
	sctx := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	cctx := ssltest.NewClientCtx(t, ssltest.ClientConfig(t))
	a, b := ssltest.TCPPipe(t)
	servers := []error{ssltest.ErrorOf(ssl.Dial("tcp", "localhost:1", sctx)),
		ssltest.ErrorOf(ssl.Client(a, sctx))}
	clients := []error{ssltest.ErrorOf(ssl.Listen("tcp", "127.0.0.1:0", cctx)),
		ssltest.ErrorOf(ssl.Server(b, cctx))}
	for _, err := range servers {
		if !errors.Is(err, ssl.ErrServer) || !strings.Contains(err.Error(), "the Ctx is a server's") {
			t.Errorf("%v", err)
		}
	}
	for _, err := range clients {
		if !errors.Is(err, ssl.ErrClient) || !strings.Contains(err.Error(), "the Ctx is a client's") {
			t.Errorf("%v", err)
		}
	}
}
