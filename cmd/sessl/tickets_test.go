package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
)

func readKey(t *testing.T, name string) []byte {
	t.Helper()
	st, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %v", name, st.Mode())
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decodeLines(t *testing.T, name string) (keys []string) {
	t.Helper()
	for line := range strings.Lines(string(readKey(t, name))) {
		b, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, string(b))
	}
	return keys
}

func wantNoTemp(t *testing.T, dir string, files int) {
	t.Helper()
	if found, err := os.ReadDir(dir); err != nil || len(found) != files {
		t.Errorf("%v, %v", found, err)
	}
}

// A file of lines: the next key becomes the current one, and the old one is dropped.
func TestTicketsLines(t *testing.T) {
	leakcheck.Test(t)
	for size, flags := range map[int][]string{80: nil, 48: {"--aes128"}} {
		dir := t.TempDir()
		file := filepath.Join(dir, "keys")
		sessl(t, append([]string{"tickets", "new", file}, flags...)...).want(t, exitOK)
		before := decodeLines(t, file)
		out := sessl(t, "tickets", "rotate", file).want(t, exitOK).out
		after := decodeLines(t, file)
		if len(before) != 3 || len(after) != 3 || after[0] != before[1] || after[1] != before[2] ||
			len(after[2]) != size {
			t.Errorf("%d keys, then %d, of %d bytes", len(before), len(after), len(after[2]))
		}
		if shown := sessl(t, "tickets", "show", file).want(t, exitOK).out; shown != out ||
			strings.Count(out, "\n") != 3 {
			t.Errorf("rotate shows\n%sshow shows\n%s", out, shown)
		}
		var keys []shownKey
		asJSON := sessl(t, "tickets", "show", "--json", file).want(t, exitOK).out
		if err := json.Unmarshal([]byte(asJSON), &keys); err != nil {
			t.Fatal(err)
		}
		for i, use := range []string{"current", "next", "old"} {
			name := after[[]int{1, 2, 0}[i]][:16]
			if k := keys[i]; k.Use != use || k.Bits != (size-16)*4 || k.Name != hexOf(name) {
				t.Errorf("key %d is shown as %+v, it is %x", i, k, name)
			}
		}
		wantNoTemp(t, dir, 1)
		wantNoSecrets(t, after, out)
	}
}

func hexOf(s string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, c := range []byte(s) {
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

func wantNoSecrets(t *testing.T, keys []string, out string) {
	t.Helper()
	for _, k := range keys {
		for i := 16; i+8 <= len(k); i++ {
			if strings.Contains(out, k[i:i+8]) || strings.Contains(out, hexOf(k[i:i+8])) {
				t.Fatal("a secret is shown")
			}
		}
	}
}

// The same for nginx's files, also if a rotation was interrupted.
func TestTicketsFiles(t *testing.T) {
	leakcheck.Test(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "key")
	sessl(t, "tickets", "new", "--nginx", file).want(t, exitOK)
	read := func() (current, next, old []byte) {
		return readKey(t, file), readKey(t, file+nextSuffix), readKey(t, file+oldSuffix)
	}
	current, next, _ := read()
	sessl(t, "tickets", "rotate", file).want(t, exitOK)
	c, n, o := read()
	if len(c) != 80 || !bytes.Equal(c, next) || !bytes.Equal(o, current) || bytes.Equal(n, next) {
		t.Error("the keys have not moved on by one place")
	}
	sessl(t, "tickets", "show", file, file+nextSuffix, file+oldSuffix).want(t, exitOK)

	// Interrupted before the last step: the previous key is not lost.
	if err := os.WriteFile(file+nextSuffix, c, 0o600); err != nil {
		t.Fatal(err)
	}
	sessl(t, "tickets", "rotate", file).want(t, exitOK)
	c2, n2, o2 := read()
	if !bytes.Equal(c2, c) || !bytes.Equal(o2, o) || bytes.Equal(n2, c) || bytes.Equal(n2, n) {
		t.Error("an interrupted rotation was not completed")
	}
	wantNoTemp(t, dir, 3)
}

func TestTicketsErrors(t *testing.T) {
	leakcheck.Test(t)
	dir := t.TempDir()
	file, alone, beside := filepath.Join(dir, "keys"), filepath.Join(dir, "alone"), filepath.Join(dir, "beside")
	sessl(t, "tickets", "new", file).want(t, exitOK)
	sessl(t, "tickets", "new", "--nginx", alone).want(t, exitOK)
	for _, f := range []string{alone + nextSuffix, alone + oldSuffix} {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(beside+oldSuffix, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := readKey(t, file)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"tickets"}, exitUsage, "new, show or rotate is missing"},
		{[]string{"tickets", "nonsense"}, exitUsage, "unknown command"},
		{[]string{"tickets", "new"}, exitUsage, "FILE is missing"},
		{[]string{"tickets", "show"}, exitUsage, "FILE is missing"},
		{[]string{"tickets", "rotate", "a", "b"}, exitUsage, "one FILE is wanted, not 2"},
		{[]string{"tickets", "new", file}, exitError, file + " is there already"},
		{[]string{"tickets", "new", "--nginx", file}, exitError, file + " is there already"},
		{[]string{"tickets", "new", "--nginx", beside}, exitError, beside + oldSuffix + " is there already"},
		{[]string{"tickets", "new", filepath.Join(dir, "missing", "keys")}, exitError, "no such file"},
		{[]string{"tickets", "rotate", alone}, exitError, alone + nextSuffix + ": no such file"},
		{[]string{"tickets", "show", alone, file}, exitError, file + ": malformed input"},
		{[]string{"tickets", "show", alone, alone}, exitError, "two ticket keys have the name"},
		{[]string{"tickets", "show", ssltest.CertFile("ca.pem")}, exitError, "line 1 is not a key"},
		{[]string{"tickets", "show", "/dev/zero"}, exitError, "too large"},
		{[]string{"tickets", "show", dir}, exitError, "is a directory"},
		{serverFlags("--ticket-keys", ssltest.CertFile("ca.pem")), exitError, "line 1 is not a key"},
		{serverFlags("--ticket-keys", file, "--no-tickets"), exitUsage, "contradict"},
	} {
		r := sessl(t, c.args...)
		if r.code != c.code || !strings.Contains(r.errOut, c.says) || strings.Count(r.errOut, "\n") != 1 ||
			r.out != "" {
			t.Errorf("%v: status %d, want %d and %q\n%s%s", c.args, r.code, c.code, c.says, r.out, r.errOut)
		}
	}
	if !bytes.Equal(readKey(t, file), before) {
		t.Error("the file has changed")
	}
	wantNoTemp(t, dir, 3) // keys, alone and beside.old
}

// Two servers with one file resume each other's sessions, also after a rotation and SIGHUP.
func TestServeTicketKeys(t *testing.T) {
	leakcheck.Test(t)
	dir := t.TempDir()
	file, session := filepath.Join(dir, "keys"), filepath.Join(dir, "session.pem")
	sessl(t, "tickets", "new", file).want(t, exitOK)
	for _, version := range tlsVersions {
		a, addrA := startServe(t, "--ticket-keys", file)
		_, addrB := startServe(t, "--ticket-keys", file)
		probe := func(addr string, code int, more ...string) {
			t.Helper()
			sessl(t, append([]string{"probe", addr, "--ca", ssltest.CertFile("ca.pem"), "--tls", version, "-n", "1"},
				more...)...).want(t, code)
		}
		probe(addrA, exitOK, "--session-out", session)
		probe(addrB, exitOK, "--session-in", session)
		_, other := startServe(t)
		probe(other, exitNoReuse, "--session-in", session)

		sessl(t, "tickets", "rotate", file).want(t, exitOK)
		if err := a.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		a.await(1, "ticket keys read again, current ")
		probe(addrA, exitOK, "--session-in", session, "--session-out", session) // of what is an old key now
		probe(addrB, exitOK, "--session-in", session)                           // of what is a next key there
		if err := os.WriteFile(file, []byte("nonsense"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := a.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		a.await(1, "ticket keys stay as they are: ")
		probe(addrA, exitOK, "--session-in", session)
		if code, _ := a.end(os.Interrupt); code != exitOK {
			t.Errorf("exit status %d", code)
		}
		os.Remove(file)
		sessl(t, "tickets", "new", file).want(t, exitOK)
	}
}
