package caches_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Keys change under a server and its store, and every session that a machine has sealed opens as long
// as its key is there.
func TestSealKeysChangeInUse(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store := ssltest.NewMemStore()
		keys, theirs := ssltest.NewSealKeys(t, 1), ssltest.NewSealKeys(t, 2)
		one, _ := ssltest.Machine(t, srv, store, keys)
		cctx, mine := ssltest.NewClientCtx(t, cli), ssltest.NewCache(t, 0)
		ssltest.Attend(t, cctx, one, mine, ssltest.Here)
		store.Await(t, ssltest.SessionsOf(cli))

		two, near := ssltest.Machine(t, srv, store, theirs)
		if err := theirs.SetKeys(ssltest.SealKey(3), ssltest.SealKey(2), ssltest.SealKey(1)); err != nil {
			t.Fatal(err)
		}
		c, s := ssltest.Attend(t, cctx, two, mine, ssltest.Here)
		ssltest.WantStates(t, "with the key among the old ones", c, s, reused(cli), reused(cli))
		if st := theirs.Stats(); st.OpenedWithOld == 0 || st.Opened+st.UnknownKey+st.Damaged != 0 {
			t.Errorf("%+v", st)
		}
		for near.StoreStats().Pending != 0 { // else the store would not know the new session yet
			runtime.Gosched()
		}
		near.Flush(time.Time{})
		if err := theirs.SetKeys(ssltest.SealKey(4)); err != nil {
			t.Fatal(err)
		}
		c, s = ssltest.Attend(t, cctx, two, mine, ssltest.Here)
		ssltest.WantStates(t, "with another key", c, s, ssl.ReuseDeclined, ssltest.UnknownTo(cli))
		if st := near.StoreStats(); st.Forged == 0 { // its id is of another key, too
			t.Errorf("%+v", st)
		}
	})
}

func writeKeys(t *testing.T, name string, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Reload takes the files as they are now; with a file that is no key everything stays.
func TestSealKeysFromFiles(t *testing.T) {
	leakcheck.Test(t)
	dir := t.TempDir()
	raw := writeKeys(t, filepath.Join(dir, "raw"), string(ssltest.SealKey(1)))
	text := writeKeys(t, filepath.Join(dir, "text"), strings.ToUpper(hex.EncodeToString(ssltest.SealKey(2)))+
		"\r\n")
	keys, err := ssl.LoadSealKeys(text, raw)
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	before := keys.Infos()
	if len(before) != 2 || before[0].Use != "current" || before[1].Use != "old" || before[0].ID == before[1].ID {
		t.Fatalf("%+v", before)
	}
	sealed, err := keys.Seal([]byte("plain"), "test")
	if err != nil {
		t.Fatal(err)
	}
	if id := hex.EncodeToString(sealed[1:5]); id != before[0].ID {
		t.Errorf("sealed by %s, the current key is %s", id, before[0].ID)
	}

	for name, bad := range map[string]string{
		"31 bytes":   string(ssltest.SealKey(3)[:31]),
		"63 digits":  hex.EncodeToString(ssltest.SealKey(3))[:63],
		"no digits":  strings.Repeat("x", 64),
		"128 bits":   hex.EncodeToString(ssltest.SealKey(3)[:16]),
		"typed":      "thirty-one letters and an end..\n",
		"a text":     hex.EncodeToString(ssltest.SealKey(3)) + "\n# a key\n",
		"nothing":    "",
		"both twice": string(ssltest.SealKey(1)),
		"unfilled":   string(make([]byte, ssl.SealKeyLen)),
	} {
		writeKeys(t, text, bad)
		err := keys.Reload()
		want := ssl.ErrMalformed
		if name == "both twice" || name == "unfilled" {
			want = ssl.ErrConfig
		}
		if !errors.Is(err, want) || want == ssl.ErrMalformed && !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v, want %v with the name of the file", name, err, want)
		}
		if _, err := keys.Open(sealed, "test"); err != nil {
			t.Errorf("%s: the keys have gone: %v", name, err)
		}
	}
	os.Remove(text)
	if err := keys.Reload(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without the file: %v", err)
	}
	writeKeys(t, text, hex.EncodeToString(ssltest.SealKey(3)))
	if err := keys.Reload(); err != nil {
		t.Fatal(err)
	}
	after := keys.Infos()
	if after[0].ID == before[0].ID || after[1] != before[1] {
		t.Errorf("%+v, then %+v", before, after)
	}
	if _, err := keys.Open(sealed, "test"); !errors.Is(err, ssl.ErrSealed) {
		t.Errorf("the key that was dropped still opens: %v", err)
	}
	if _, err := ssl.LoadSealKeys(); !errors.Is(err, ssl.ErrConfig) {
		t.Errorf("no files: %v", err)
	}
	if err := ssltest.NewSealKeys(t, 1).Reload(); !errors.Is(err, ssl.ErrConfig) {
		t.Errorf("Reload without files: %v", err)
	}
}

// What an application seals opens for the same purpose alone, and never as a session or a cache.
func TestSealedForAPurpose(t *testing.T) {
	leakcheck.Test(t)
	keys, other := ssltest.NewSealKeys(t, 2, 1), ssltest.NewSealKeys(t, 1)
	plain := []byte("plain")
	sealed, err := other.Seal(plain, "mine")
	if err != nil {
		t.Fatal(err)
	}
	if string(plain) != "plain" || len(sealed) != len(plain)+37 || bytes.Contains(sealed, plain) {
		t.Errorf("%q became %x", plain, sealed)
	}
	if got, err := keys.Open(sealed, "mine"); err != nil || string(got) != "plain" {
		t.Errorf("%q, %v", got, err)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := keys.Open(changed, "mine"); !errors.Is(err, ssl.ErrSealed) && !errors.Is(err,
			ssl.ErrMalformed) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := keys.Open(sealed[:i], "mine"); !errors.Is(err, ssl.ErrSealed) && !errors.Is(err,
			ssl.ErrMalformed) {
			t.Errorf("%d bytes: %v", i, err)
		}
	}
	for _, purpose := range []string{"mine ", "min", "client sessions", "application mine"} {
		if _, err := keys.Open(sealed, purpose); !errors.Is(err, ssl.ErrSealed) {
			t.Errorf("for %q: %v", purpose, err)
		}
	}
	for _, purpose := range []string{"", strings.Repeat("x", 256)} {
		_, sealErr := keys.Seal(plain, purpose)
		_, openErr := keys.Open(sealed, purpose)
		if !errors.Is(sealErr, ssl.ErrConfig) || !errors.Is(openErr, ssl.ErrConfig) {
			t.Errorf("a purpose of %d bytes: %v, %v", len(purpose), sealErr, openErr)
		}
	}
	if _, err := keys.Seal(make([]byte, ssl.MaxSealed+1), "mine"); !errors.Is(err, ssl.ErrTooLarge) {
		t.Errorf("too much: %v", err)
	}
	if _, err := keys.Open(make([]byte, ssl.MaxSealed+38), "mine"); !errors.Is(err, ssl.ErrTooLarge) {
		t.Errorf("too much: %v", err)
	}

	// In the place of a cache's file, sealed for every purpose that could be taken for one.
	file := filepath.Join(t.TempDir(), "cache")
	for _, purpose := range []string{"client sessions", "server session "} {
		text, err := keys.Seal([]byte{1}, purpose)
		if err != nil {
			t.Fatal(err)
		}
		writeKeys(t, file, string(text))
		if n, err := ssltest.NewCache(t, 0).Load(file, keys); n != 0 || !errors.Is(err, ssl.ErrSealed) {
			t.Errorf("Load: %d, %v", n, err)
		}
	}
}

func TestSealKeysBadInput(t *testing.T) {
	leakcheck.Test(t)
	var none *ssl.SealKeys
	keys := ssltest.NewSealKeys(t, 1)
	keys.Close()
	for _, k := range []struct {
		*ssl.SealKeys
		want error
	}{{none, ssl.ErrNil}, {keys, ssl.ErrClosed}, {new(ssl.SealKeys), ssl.ErrClosed}} {
		_, sealErr := k.Seal(nil, "x")
		_, openErr := k.Open(make([]byte, 40), "x")
		for _, err := range []error{sealErr, openErr, k.SetKeys(ssltest.SealKey(2))} {
			if !errors.Is(err, k.want) {
				t.Errorf("%v, want %v", err, k.want)
			}
		}
		if k.Infos() != nil {
			t.Errorf("%+v", k.Infos())
		}
	}
	if err := none.Reload(); !errors.Is(err, ssl.ErrNil) {
		t.Errorf("Reload: %v", err)
	}
	keys = ssltest.NewSealKeys(t, 1)
	many := make([][]byte, 64)
	for i := range many {
		many[i] = ssltest.SealKey(byte(i + 2))
	}
	if err := keys.SetKeys(ssltest.SealKey(1), many...); !errors.Is(err, ssl.ErrConfig) {
		t.Errorf("65 keys: %v", err)
	}
	if err := keys.SetKeys(ssltest.SealKey(1), many[:63]...); err != nil || len(keys.Infos()) != 64 {
		t.Errorf("64 keys: %v", err)
	}
}

// Keys are replaced while they seal and open: what was sealed opens as long as its key is there.
func TestSealKeysChangeBesideUse(t *testing.T) {
	leakcheck.Test(t)
	keys := ssltest.NewSealKeys(t, 1, 2)
	var all sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		all.Go(func() {
			for {
				sealed, err := keys.Seal([]byte("plain"), "test")
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := keys.Open(sealed, "test"); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range 200 {
		now, before := byte(1+i%2), byte(2-i%2)
		if err := keys.SetKeys(ssltest.SealKey(now), ssltest.SealKey(before)); err != nil {
			t.Error(err)
		}
	}
	close(done)
	all.Wait()
	if st := keys.Stats(); st.Sealed != st.Opened+st.OpenedWithOld || st.Damaged+st.UnknownKey != 0 {
		t.Errorf("%+v", st)
	}
}

// No verb of fmt shows a key.
func TestSealKeysShowNothing(t *testing.T) {
	leakcheck.Test(t)
	keys := ssltest.NewSealKeys(t, 0x5a)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%o", "%x", "%X", "%b", "%c", "%T"} {
		if got := fmt.Sprintf(verb, keys); strings.Contains(got, "90") || strings.Contains(got, "5a") ||
			strings.Contains(got, "132") || !strings.Contains(got, "SealKeys") {
			t.Errorf("%s: %s", verb, got)
		}
	}
}

// A file that is a pipe holds up Reload, and not SetKeys.
func TestSealKeysChangeBesideReload(t *testing.T) {
	leakcheck.Test(t)
	file := writeKeys(t, filepath.Join(t.TempDir(), "key"), hex.EncodeToString(ssltest.SealKey(1)))
	keys, err := ssl.LoadSealKeys(file)
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	os.Remove(file)
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- keys.Reload() }()
	pipe, err := os.OpenFile(file, os.O_WRONLY, 0) // when Reload has opened it
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.SetKeys(ssltest.SealKey(2)); err != nil {
		t.Error(err)
	}
	pipe.WriteString(hex.EncodeToString(ssltest.SealKey(3)))
	pipe.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
