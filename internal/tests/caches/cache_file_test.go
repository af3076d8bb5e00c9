package caches_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// afterwards is the cache of a later process: another one, filled from the file.
func afterwards(t testing.TB, file string, keys *ssl.SealKeys, want int) *ssl.LRUClientSessionCache {
	t.Helper()
	cache := ssltest.NewCache(t, 0)
	if n, err := cache.Load(file, keys); err != nil || n != want {
		t.Fatalf("loaded %d, %v; want %d", n, err, want)
	}
	return cache
}

// What one process has saved another resumes, with a verified chain that has intermediates,
// and offers it to the same server only.
func TestSavedCacheResumes(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-chain")}
		cli.NextProtos, srv.NextProtos = []string{"h2"}, []string{"h2"}
		sctx, keys, file := ssltest.NewServerCtx(t, srv), ssltest.NewSealKeys(t, 1), filepath.Join(t.TempDir(),
			"sessions")
		first := ssltest.NewCache(t, 0)
		ssltest.Attend(t, ssltest.NewClientCtx(t, cli), sctx, first, ssltest.Here)
		n := first.Stats().Sessions
		if err := first.Save(file, keys); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		later := afterwards(t, file, ssltest.NewSealKeys(t, 2, 1), n)
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the file is still there: %v", err)
		}
		c, s := ssltest.Attend(t, ssltest.NewClientCtx(t, cli), sctx, later, "tcp elsewhere:1")
		ssltest.WantStates(t, "another server", c, s, ssl.ReuseNoSession, ssl.ReuseNoSession)
		p := ssltest.Cached(t, ssltest.NewClientCtx(t, cli), sctx, later, ssltest.Here)
		p.MustShake(t)
		p.Echo(t)
		st := p.Client.ConnectionState()
		if p.Client.ReuseState() != ssltest.Wants[fm.Name] || !st.Verified || len(st.PeerCertificates) != 2 ||
			len(st.VerifiedChain) != 3 {
			t.Errorf("%q, verified %t, %d certificates, chain of %d", p.Client.ReuseState(), st.Verified,
				len(st.PeerCertificates), len(st.VerifiedChain))
		}
		p.CloseBoth()
	})
}

// A file that is damaged, of another key, or too large is refused and stays; what it says is
// not believed in part.
func TestDamagedCacheFile(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		keys, file := ssltest.NewSealKeys(t, 1), filepath.Join(t.TempDir(), "sessions")
		first := ssltest.NewCache(t, 0)
		ssltest.Attend(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), first, ssltest.Here)
		if err := first.Save(file, keys); err != nil {
			t.Fatal(err)
		}
		good, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		flipped := bytes.Clone(good)
		flipped[len(good)/2] ^= 1
		for name, test := range map[string]struct {
			data []byte
			keys *ssl.SealKeys
			want error
		}{
			"empty":     {nil, keys, ssl.ErrMalformed},
			"truncated": {good[:len(good)-1], keys, ssl.ErrSealed},
			"flipped":   {flipped, keys, ssl.ErrSealed},
			"other key": {good, ssltest.NewSealKeys(t, 2), ssl.ErrSealed},
			"no key":    {good, nil, ssl.ErrNil},
		} {
			if err := os.WriteFile(file, test.data, 0o600); err != nil {
				t.Fatal(err)
			}
			cache := ssltest.NewCache(t, 0)
			if n, err := cache.Load(file, test.keys); n != 0 || !errors.Is(err, test.want) ||
				cache.Stats().Stores != 0 {
				t.Errorf("%s: %d, %v", name, n, err)
			} else if test.keys != nil && !strings.Contains(err.Error(), "LRUClientSessionCache.Load: "+file+": ") {
				t.Errorf("%s: the file is not named: %v", name, err)
			}
			if left, err := os.ReadFile(file); err != nil || !bytes.Equal(left, test.data) {
				t.Errorf("%s: the file has changed: %v", name, err)
			}
		}
		if _, err := ssltest.NewCache(t, 0).Load(file+"x", keys); !errors.Is(err, fs.ErrNotExist) ||
			!strings.Contains(err.Error(), file+"x: ") {
			t.Errorf("missing: %v", err)
		}
		if err := first.Save(filepath.Join(file, "below"), keys); err == nil {
			t.Error("saved below a file")
		}
		names, _ := filepath.Glob(file + "*")
		if len(names) != 1 {
			t.Errorf("left behind: %q", names)
		}
	})
}

// What is no file is left alone, and no call waits for it.
func TestSaveAndLoadOfWhatIsNoFile(t *testing.T) {
	leakcheck.Test(t)
	dir := t.TempDir()
	folder, pipe := filepath.Join(dir, "folder"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.MkdirAll(filepath.Join(folder, "precious"), 0o700),
		syscall.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{folder, pipe} {
		if err := ssltest.NewCache(t, 0).Save(name, ssltest.NewSealKeys(t, 1)); err == nil ||
			!strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := ssltest.NewCache(t, 0).Load(name, ssltest.NewSealKeys(t, 1)); err == nil ||
			!strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "precious")); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("%v", left)
	}
}

// A link leads to the file that is taken and replaced.
func TestSavedCacheBehindALink(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		keys, dir, cache := ssltest.NewSealKeys(t, 1), t.TempDir(), ssltest.NewCache(t, 0)
		file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
		if err := os.Symlink(file, link); err != nil {
			t.Fatal(err)
		}
		ssltest.Attend(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), cache, ssltest.Here)
		if err := errors.Join(cache.Save(file, keys), cache.Save(link, keys)); err != nil {
			t.Fatal(err)
		}
		if to, err := os.Readlink(link); to != file || err != nil {
			t.Errorf("the link has become something else: %q, %v", to, err)
		}
		if n, err := ssltest.NewCache(t, 0).Load(link, ssltest.NewSealKeys(t, 2)); n != 0 || !errors.Is(err,
			ssl.ErrSealed) {
			t.Errorf("%d, %v", n, err)
		}
		if n, err := ssltest.NewCache(t, 0).Load(link, keys); n != ssltest.SessionsOf(cli) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if _, err := ssltest.NewCache(t, 0).Load(file, keys); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("its sessions can be loaded again: %v", err)
		}
	})
}

// A closed cache neither replaces a file by nothing nor takes one to keep nothing.
func TestSaveAndLoadAfterClose(t *testing.T) {
	leakcheck.Test(t)
	keys, file, cache := ssltest.NewSealKeys(t, 1), filepath.Join(t.TempDir(), "sessions"),
		ssltest.NewCache(t, 0)
	if err := cache.Save(file, keys); err != nil {
		t.Fatal(err)
	}
	cache.Close()
	if err := cache.Save(file, keys); !errors.Is(err, ssl.ErrClosed) {
		t.Error(err)
	}
	if _, err := cache.Load(file, keys); !errors.Is(err, ssl.ErrClosed) {
		t.Error(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}
