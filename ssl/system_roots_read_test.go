package ssl_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// The roots are read once while the files are unchanged, and parsed once while they have the
// same content: also when several Ctxs are made at the same time.
func TestSystemRootsAreShared(t *testing.T) {
	for place, setup := range ssltest.RootPlaces {
		if place == "other file" {
			continue // the name is a part of what is reported about its content
		}
		t.Run(place, func(t *testing.T) {
			leakcheck.Test(t)
			undo := ssl.SetRootTimes(time.Hour, time.Second) // all files are new
			defer func() { undo() }()
			put, root := setup(t), ssltest.NewRoot(t)
			put(root)
			ssltest.NewClientCtx(t, ssltest.SystemClient)
			files, set := ssl.SystemRootsRead()
			put(root)
			ssltest.NewClientCtx(t, ssltest.SystemClient)
			files2, set2 := ssl.SystemRootsRead()
			if files2 == files || set2 != set {
				t.Errorf("new files: read again %t, parsed again %t", files2 != files, set2 != set)
			}
			ssltest.NewClientCtx(t, ssltest.SystemClient)
			if files, set2 = ssl.SystemRootsRead(); files == files2 || set2 != set { // a change may not show yet
				t.Errorf("new files that look the same: read again %t, parsed again %t", files != files2, set2 != set)
			}
			undo()
			undo = ssl.SetRootTimes(-time.Hour, time.Second) // all files are old
			ssltest.NewClientCtx(t, ssltest.SystemClient)
			files, _ = ssl.SystemRootsRead()
			var done sync.WaitGroup
			for range 8 {
				done.Go(func() {
					for range 4 {
						if ctx, err := ssl.NewClientCtx(ssltest.SystemClient); err != nil {
							t.Error(err)
						} else {
							ctx.Close()
						}
					}
				})
			}
			done.Wait()
			if files2, set2 = ssl.SystemRootsRead(); files2 != files || set2 != set {
				t.Errorf("old files: read again %t, parsed again %t", files2 != files, set2 != set)
			}
			other := ssltest.NewRoot(t)
			put(other)
			ctx := ssltest.NewClientCtx(t, ssltest.SystemClient)
			if _, set2 = ssl.SystemRootsRead(); set2 == set || ssltest.Trusts(t, ctx, root) ||
				!ssltest.Trusts(t, ctx, other) {
				t.Error("another root went unnoticed")
			}
			runtime.GC() // frees the first set
		})
	}
}

// A pipe is read once, for all Ctxs: a shell's <(cat ca.pem), or a FIFO whose writer comes
// later. A FIFO without a writer is an error after a while.
func TestSystemRootsFromPipe(t *testing.T) {
	leakcheck.Test(t)
	t.Setenv("SSL_CERT_DIR", "")
	root := ssltest.NewRoot(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	t.Setenv("SSL_CERT_FILE", fmt.Sprintf("/dev/fd/%d", r.Fd()))
	written := make(chan error, 1)
	go func() {
		_, err := w.Write(root.Pem)
		written <- errors.Join(err, w.Close())
	}()
	for range 2 {
		if !ssltest.Trusts(t, ssltest.NewClientCtx(t, ssltest.SystemClient), root) {
			t.Error("a pipe: not trusted")
		}
	}
	if err := <-written; err != nil {
		t.Error(err)
	}

	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", fifo)
	undo := ssl.SetRootTimes(time.Second, 20*time.Millisecond)
	for range 2 {
		_, err := ssl.NewClientCtx(ssltest.SystemClient)
		ssltest.Refuses(t, "nobody writes", err, os.ErrDeadlineExceeded)
	}
	undo()
	go func() { written <- os.WriteFile(fifo, root.Pem, 0) }() // waits for a reader
	for range 2 {
		if !ssltest.Trusts(t, ssltest.NewClientCtx(t, ssltest.SystemClient), root) {
			t.Error("a FIFO: not trusted")
		}
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// If the roots cannot be read there is no Ctx, on both sides, rather than one that trusts no
// peer for ever.
func TestSystemRootsUnreadable(t *testing.T) {
	leakcheck.Test(t)
	root := ssltest.NewRoot(t)
	file, dir := filepath.Join(t.TempDir(), "roots.pem"), t.TempDir()
	ssltest.PutFile(t, file, root.Pem)
	server := ssltest.CopyOf(ssltest.ServerConfig(t), func(c *ssl.Config) {
		c.ClientAuth, c.ClientCAs = ssl.RequireAndVerifyClientCert, ssl.SystemCertPool()
	})
	try := func() []error {
		errs := []error{ssltest.SystemClient.CheckClient(),
			ssltest.ErrorAlone(ssl.NewClientCtx(ssltest.SystemClient)), server.CheckServer()}
		return append(errs, ssl.SystemCertPool().Skipped()...)
	}
	for what, env := range map[string][2]string{"file": {file, ""}, "directory": {"", dir}} {
		t.Setenv("SSL_CERT_FILE", env[0])
		t.Setenv("SSL_CERT_DIR", env[1])
		var old, none syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
		none.Max = old.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
			t.Fatal(err)
		}
		errs := try()
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
		for _, err := range errs {
			ssltest.Refuses(t, what+", out of descriptors", err, syscall.EMFILE)
		}
	}
	t.Setenv("SSL_CERT_FILE", dir) // no file
	for _, err := range try() {
		ssltest.Refuses(t, "nothing but a directory where the file should be", err, syscall.EISDIR)
	}
	ssltest.PutFile(t, filepath.Join(dir, ssltest.HashedName(root, 0)), root.Pem)
	t.Setenv("SSL_CERT_DIR", dir)
	if !ssltest.Trusts(t, ssltest.NewClientCtx(t, ssltest.SystemClient), root) {
		t.Error("one of two places: not trusted")
	}
	t.Setenv("SSL_CERT_FILE", "/dev/zero")
	for _, err := range try() {
		ssltest.Refuses(t, "a file without end", err, ssl.ErrTooLarge)
	}
	t.Setenv("SSL_CERT_FILE", filepath.Join(file, "below"))
	t.Setenv("SSL_CERT_DIR", file)
	for _, err := range try() {
		if err != nil {
			t.Error("what is not there:", err)
		}
	}
}

// A directory's roots are in files that are named after their subject, whatever their number, as
// OpenSSL looks for them; other files and other roots in them do not count.
func TestSystemRootsInDirectory(t *testing.T) {
	leakcheck.Test(t)
	t.Setenv("SSL_CERT_FILE", "")
	root := ssltest.NewRoot(t)
	other := ssltest.Sign(t, "other", nil, time.Now().Add(time.Hour))
	for name, want := range map[string]bool{
		ssltest.HashedName(root, 0): true, ssltest.HashedName(root, 17): true, ssltest.HashedName(other, 0): false,
		"root.pem":                           false,
		ssltest.HashedName(root, 0) + ".old": false, ssltest.HashedName(root, 0)[:9] + "r0": false,
		"0" + ssltest.HashedName(root, 0): false,
	} {
		for what, data := range map[string][]byte{
			"alone": root.Pem, "in DER": root.Cert.Raw,
			"behind another": append(other.Pem[:len(other.Pem):len(other.Pem)], root.Pem...),
			"behind a damaged one": append([]byte("-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n"),
				root.Pem...),
		} {
			dir := t.TempDir()
			ssltest.PutFile(t, filepath.Join(dir, name), data)
			t.Setenv("SSL_CERT_DIR", dir)
			if got := ssltest.Trusts(t, ssltest.NewClientCtx(t, ssltest.SystemClient), root); got != want {
				t.Errorf("%s, %s: trusted is %t", name, what, got)
			}
		}
	}
}

// BenchmarkNewClientCtx is what a client's Ctx costs that trusts the machine's roots.
func BenchmarkNewClientCtx(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ctx, err := ssl.NewClientCtx(ssltest.SystemClient)
		if err != nil {
			b.Fatal(err)
		}
		ctx.Close()
	}
}
