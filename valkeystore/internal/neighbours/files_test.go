package neighbours

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The files have the keys in the order and form of each program, only their owner can read them, nothing else
// is left, and the memory of the keys is wiped.
func TestWrite(t *testing.T) {
	dir, keys := t.TempDir(), fakes(4)
	name := func(s string) string { return filepath.Join(dir, s) }
	f := Files{HAProxy: name("haproxy"), Nginx: [3]string{name("current"), name("next"), name("old")}}
	if err := os.WriteFile(f.Nginx[0], []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	early := setOf(keys, 1, 2, 3)
	early.Early = true
	for _, s := range []Set{setOf(keys, 0, 1, 2), setOf(keys, 1, 2, 3), early} {
		if err := f.Write(s); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"haproxy": ""}
		for i, k := range []*fake{s.Old.(*fake), s.Current.(*fake), s.Next.(*fake)} {
			b, _ := (&fake{n: k.n}).SecretBytes()
			want[[]string{"old", "current", "next"}[i]] = string(b)
			want["haproxy"] += k.text() + "\n"
		}
		if s.Early { // HAProxy encrypts with the next one
			want["haproxy"] = keys[1].text() + "\n" + keys[3].text() + "\n" + keys[2].text() + "\n"
		}
		for file, text := range want {
			got, err := os.ReadFile(name(file))
			if err != nil || string(got) != text {
				t.Errorf("%s: %q, %v", file, got, err)
			}
			if st, err := os.Stat(name(file)); err != nil || st.Mode() != 0o600 {
				t.Errorf("%s: %v, %v", file, st.Mode(), err)
			}
		}
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != 4 {
		t.Errorf("%v, %v", all, err)
	}
	for _, k := range keys {
		k.wantWiped(t)
	}
}

// What is at the end of a link is replaced, and the link stays. What is no file is left alone.
func TestWriteElsewhere(t *testing.T) {
	dir, keys := t.TempDir(), fakes(3)
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(real, nil, 0o600), os.Symlink(real, link)); err != nil {
		t.Fatal(err)
	}
	if err := (Files{HAProxy: link}).Write(setOf(keys, 0, 1, 2)); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(real); err != nil || len(b) == 0 {
		t.Errorf("%q, %v", b, err)
	}
	for _, name := range []string{dir, filepath.Join(dir, "none", "keys"), os.DevNull} {
		err := (Files{HAProxy: name}).Write(setOf(keys, 0, 1, 2))
		if err == nil || !strings.Contains(err.Error(), filepath.Dir(name)) {
			t.Errorf("%s: %v", name, err)
		}
		if err := (Files{Nginx: [3]string{name, name, name}}).Write(setOf(keys, 0, 1, 2)); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	for _, k := range keys {
		k.wantWiped(t)
	}
}

// Whoever reads while keys are replaced gets the whole of one set.
func TestWriteWhileRead(t *testing.T) {
	name, keys := filepath.Join(t.TempDir(), "keys"), fakes(4)
	f := Files{HAProxy: name}
	if err := f.Write(setOf(keys, 0, 1, 2)); err != nil {
		t.Fatal(err)
	}
	seen := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			b, err := os.ReadFile(name)
			if err == nil && len(b) != haproxys*(lineLen+1) {
				err = errors.New("part of a file")
			}
			if err != nil {
				seen <- err
				return
			}
		}
		seen <- nil
	}()
	for i := range 50 {
		if err := f.Write(setOf(keys, i%2, i%2+1, i%2+2)); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := <-seen; err != nil {
		t.Error(err)
	}
}

// A command is run without a shell. One that fails says how, and one that does not end is killed with what it
// has started.
func TestRun(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	file := filepath.Join(dir, "a b;c")
	if err := Run(ctx, []string{"touch", file}, time.Minute); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	for says, words := range map[string][]string{
		"status 3": {"sh", "-c", "exit 3"}, "no-such-program": {"no-such-program"},
	} {
		if err := Run(ctx, words, time.Minute); err == nil || !strings.Contains(err.Error(), says) {
			t.Error(err)
		}
	}
	fifo := filepath.Join(dir, "open") // ends for its reader when all writers are gone
	if err := Run(ctx, []string{"mkfifo", fifo}, time.Minute); err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		_, err := os.ReadFile(fifo)
		read <- err
	}()
	err := Run(ctx, []string{"sh", "-c", `(sleep 600 & sleep 600) >"$0"`, fifo}, 200*time.Millisecond)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	select {
	case err := <-read:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("what the command has started goes on")
	}
}
