package recipes

import (
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Each run has a Ctx of its own. A run whose server is away keeps the sessions, and one that finds damage
// goes on.
func TestOnce(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		addr, dir := ssltest.StartServer(t, srv).Addr, t.TempDir()
		file, keyFile := filepath.Join(dir, "sessions"), filepath.Join(dir, "key")
		run := func(addr string) (how ssl.ReuseState, err error) {
			t.Helper()
			keys, err := sealKeysOf(keyFile)
			if err != nil {
				t.Fatal(err)
			}
			defer keys.Close()
			return how, once(ssltest.NewClientCtx(t, cli), addr, file, keys, func(c *ssl.Conn) error {
				how = c.ReuseState()
				if _, err := c.Write([]byte("a")); err != nil {
					return err
				}
				_, err := io.ReadFull(c, make([]byte, 1))
				return err
			})
		}
		resumes := func(what string, want ssl.ReuseState) {
			t.Helper()
			if how, err := run(addr); err != nil || how != want {
				t.Errorf("%s: %v, %v, want %v", what, how, err, want)
			}
		}
		resumes("first run", ssl.ReuseNoSession)
		resumes("second run", ssl.ReusedTicket)
		closed := listen(t)
		closed.Close()
		if _, err := run(closed.Addr().String()); err == nil {
			t.Error("a closed port answers")
		}
		resumes("after a failure", ssl.ReusedTicket)
		for _, name := range []string{file, keyFile} {
			if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", name, info, err)
			}
		}
		if err := os.WriteFile(file, []byte("damage"), 0o600); err != nil {
			t.Fatal(err)
		}
		resumes("after damage", ssl.ReuseNoSession)
		resumes("at last", ssl.ReusedTicket)
	})
}

// Of several first runs one makes the key, and all have it whole.
func TestSealKeysOf(t *testing.T) {
	leakcheck.Test(t)
	file := filepath.Join(t.TempDir(), "key")
	var runs sync.WaitGroup
	for range 8 {
		runs.Go(func() {
			keys, err := sealKeysOf(file)
			if err != nil {
				t.Error(err)
				return
			}
			defer keys.Close()
			sealed, err := keys.Seal([]byte("text"), "test")
			if err != nil {
				t.Error(err)
				return
			}
			again, err := ssl.LoadSealKeys(file)
			if err != nil {
				t.Error(err)
				return
			}
			defer again.Close()
			if _, err := again.Open(sealed, "test"); err != nil {
				t.Errorf("a run had another key: %v", err)
			}
		})
	}
	runs.Wait()
	if names, _ := filepath.Glob(file + "*"); len(names) != 1 {
		t.Errorf("left behind: %q", names)
	}
}
