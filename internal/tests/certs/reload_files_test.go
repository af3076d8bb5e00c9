package certs_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

var ecdsaOnly = []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}

// renewable is a directory in which a certificate is renewed.
type renewable struct {
	t     *testing.T
	files ssl.CertificateFiles
}

func newRenewable(t *testing.T) *renewable {
	dir := t.TempDir()
	return &renewable{t, ssl.CertificateFiles{
		CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"),
		OCSPFile: filepath.Join(dir, "ocsp"),
	}}
}

// put copies files of testdata; "" takes the file away.
func (d *renewable) put(cert, key, ocsp string) {
	d.t.Helper()
	for to, from := range map[string]string{d.files.CertFile: cert, d.files.KeyFile: key,
		d.files.OCSPFile: ocsp} {
		if from == "" {
			if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
				d.t.Fatal(err)
			}
			continue
		}
		b, err := os.ReadFile(ssltest.CertFile(from))
		if err == nil {
			err = os.WriteFile(to, b, 0o600)
		}
		if err != nil {
			d.t.Fatal(err)
		}
	}
}

// What is wrong in the files is an error, and all stays as it was.
func TestReloadFromFiles(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		d := newRenewable(t)
		d.put("server-ecdsa.pem", "server-ecdsa.key", "server-ecdsa.ocsp")
		r, err := ssl.LoadReloadableCertificates(d.files)
		if err != nil {
			t.Fatal(err)
		}
		srv.Certificates, srv.ReloadableCertificates = nil, r
		cli.RequestOCSPStaple = true
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		wants := func(name string) {
			t.Helper()
			a, b := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, cctx, sctx, a, b)
			p.MustShake(t)
			st := p.Client.ConnectionState()
			if got := shown(p.Client, false); got != named+name || !bytes.Equal(st.OCSPResponse,
				ssltest.Staple(t, name)) {
				t.Errorf("%q was shown, with a staple of %d bytes", got, len(st.OCSPResponse))
			}
			p.CloseBoth()
		}
		wants("server-ecdsa")
		for _, c := range []struct {
			cert, key, ocsp string
			want            error
		}{
			{"server-rsa.pem", "server-ecdsa.key", "server-rsa.ocsp", ssl.ErrConfig},
			{"server-rsa.pem", "server-rsa.key", "server-ecdsa.ocsp", ssl.ErrConfig},
			{"server-rsa.pem", "server-rsa.key", "", fs.ErrNotExist},
			{"server-rsa.pem", "", "server-rsa.ocsp", fs.ErrNotExist},
			{"", "server-rsa.key", "server-rsa.ocsp", fs.ErrNotExist},
			{"server-rsa.key", "server-rsa.key", "server-rsa.ocsp", ssl.ErrMalformed},
			{"server-rsa.pem", "server-rsa.pem", "server-rsa.ocsp", ssl.ErrMalformed},
			{"server-ecdsa.pem", "server-ecdsa.enc.key", "server-ecdsa.ocsp", ssl.ErrPassword},
		} {
			d.put(c.cert, c.key, c.ocsp)
			if err := r.Reload(); !errors.Is(err, c.want) {
				t.Errorf("%v: %v, want %v", c, err, c.want)
			}
			wants("server-ecdsa")
		}
		d.put("server-rsa.pem", "server-rsa.key", "server-rsa.ocsp")
		if err := r.Reload(); err != nil {
			t.Fatal(err)
		}
		wants("server-rsa")
	})
}

// The password is asked for each time, with no lock held; a call that began later counts.
func TestReloadWithPassword(t *testing.T) {
	leakcheck.Test(t)
	d := newRenewable(t)
	d.files.OCSPFile = ""
	d.put("server-ecdsa.pem", "server-ecdsa.enc.key", "")
	asked, within := 0, func() {}
	d.files.Password = func() ([]byte, error) {
		asked++
		within()
		return []byte("sessl-test"), nil
	}
	r, err := ssl.LoadReloadableCertificates(d.files)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(); err != nil || asked != 2 {
		t.Errorf("%v, asked %d times", err, asked)
	}
	within = func() { mustReplace(t, r, "server-rsa") }
	if err := r.Reload(); err != nil {
		t.Error(err)
	}
	if got := r.Certificates()[0].Leaf().Subject.CommonName; got != named+"server-rsa" {
		t.Errorf("%q is in use: the call that began first was the last to count", got)
	}
	within = func() { panic("on purpose") }
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		r.Reload()
	}()
	within = func() {}
	if err := r.Reload(); err != nil {
		t.Error(err)
	}
	if got := r.Certificates()[0].Leaf().Subject.CommonName; got != named+"server-ecdsa" {
		t.Errorf("%q is in use", got)
	}
}

func TestReloadMisuse(t *testing.T) {
	leakcheck.Test(t)
	cert := ssltest.KeyPair(t, "server-ecdsa")
	r := ssltest.Reloadable(t, "server-ecdsa")
	var none *ssl.ReloadableCertificates
	made := func(_ *ssl.ReloadableCertificates, err error) error { return err }
	for what, c := range map[string]struct{ err, want error }{
		"new, none":        {made(ssl.NewReloadableCertificates()), ssl.ErrConfig},
		"new, empty":       {made(ssl.NewReloadableCertificates(cert, ssl.Certificate{})), ssl.ErrConfig},
		"load, none":       {made(ssl.LoadReloadableCertificates()), ssl.ErrConfig},
		"load, missing":    {made(ssl.LoadReloadableCertificates(ssl.CertificateFiles{})), fs.ErrNotExist},
		"replace, none":    {r.Replace(), ssl.ErrConfig},
		"replace, empty":   {r.Replace(ssl.Certificate{}), ssl.ErrConfig},
		"reload, no files": {r.Reload(), ssl.ErrConfig},
		"reload, nil":      {none.Reload(), ssl.ErrNil},
		"replace, nil":     {none.Replace(cert), ssl.ErrNil},
		"both set": {(&ssl.Config{Certificates: []ssl.Certificate{cert},
			ReloadableCertificates: r}).CheckServer(), ssl.ErrConfig},
		"zero value": {(&ssl.Config{ReloadableCertificates: &ssl.ReloadableCertificates{}}).CheckServer(),
			ssl.ErrConfig},
		"client, both set": {(&ssl.Config{Certificates: []ssl.Certificate{cert},
			ReloadableCertificates: r}).CheckClient(), ssl.ErrConfig},
		"schemes": {(&ssl.Config{ReloadableCertificates: ssltest.Reloadable(t, "server-rsa"),
			SignatureSchemes: ecdsaOnly}).CheckServer(), ssl.ErrConfig},
		"level": {(&ssl.Config{ReloadableCertificates: ssltest.Reloadable(t, "server-rsa"),
			SecurityLevel: 3}).CheckServer(), ssl.ErrConfig},
		"nothing is wrong":  {(&ssl.Config{ReloadableCertificates: r}).CheckServer(), nil},
		"nor for a client":  {(&ssl.Config{ReloadableCertificates: r}).CheckClient(), nil},
		"replace, no users": {r.Replace(cert), nil},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", what, c.err, c.want)
		}
	}
	if got := none.Certificates(); got != nil {
		t.Errorf("nil has %v", got)
	}
	var zero ssl.ReloadableCertificates
	if err := zero.Replace(cert); err != nil || len(zero.Certificates()) != 1 {
		t.Errorf("the zero value, replaced: %v, %v", err, zero.Certificates())
	}
}
