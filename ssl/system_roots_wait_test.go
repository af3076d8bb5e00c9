package ssl_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func newFIFO(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// openWhenRead opens a FIFO for writing as soon as it has a reader.
func openWhenRead(t *testing.T, name string) *os.File {
	t.Helper()
	for {
		f, err := os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err == nil {
			return f
		}
		if e, ok := err.(*os.PathError); !ok || e.Err != syscall.ENXIO {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
}

// A slow file with roots does not delay a Ctx that needs other roots.
func TestSystemRootsOfOthersDoNotWait(t *testing.T) {
	leakcheck.Test(t)
	defer ssl.SetRootTimes(-time.Hour, 2*time.Second)()
	pem, err := os.ReadFile(ssltest.CertFile("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := &ssl.Config{ServerName: "localhost"}
	make := func() error {
		ctx, err := ssl.NewClientCtx(cfg)
		ctx.Close()
		return err
	}
	t.Setenv("SSL_CERT_DIR", "")
	fifo := newFIFO(t)
	t.Setenv("SSL_CERT_FILE", fifo)
	waits := newErrors(make, 1)
	w := openWhenRead(t, fifo)
	defer w.Close()
	t.Setenv("SSL_CERT_FILE", ssltest.CertFile("ca.pem"))
	for range 2 {
		if err := make(); err != nil {
			t.Error(err)
		}
	}
	select {
	case err := <-waits:
		t.Fatalf("they came after those that take their time: %v", err)
	default:
	}
	if _, err := w.Write(pem); err != nil {
		t.Error(err)
	}
	w.Close()
	if err := <-waits; err != nil {
		t.Error(err)
	}
}

// newErrors has the results of n calls at once.
func newErrors(f func() error, n int) <-chan error {
	all := make(chan error, n)
	for range n {
		go func() { all <- f() }()
	}
	return all
}

// What came out of pipes is not kept for ever.
func TestSystemRootsOfPipesAreBounded(t *testing.T) {
	leakcheck.Test(t)
	pem, err := os.ReadFile(ssltest.CertFile("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_DIR", "")
	dir := t.TempDir()
	for i := range 40 {
		fifo := filepath.Join(dir, strconv.Itoa(i))
		if err := syscall.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("SSL_CERT_FILE", fifo)
		written := newErrors(func() error { return os.WriteFile(fifo, pem, 0) }, 1)
		for range 2 {
			ctx, err := ssl.NewClientCtx(&ssl.Config{ServerName: "localhost"})
			if err != nil {
				t.Fatal(err)
			}
			ctx.Close()
		}
		if err := <-written; err != nil {
			t.Fatal(err)
		}
	}
	if n := ssl.SystemPipes(); n > 16 {
		t.Errorf("the content of %d pipes is kept", n)
	}
}
