package cshim_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// The C code keeps its counts and its companions right beside what others in the process do
// with OpenSSL. A C program does it, which begins before Go could.
func TestForeignObjects(t *testing.T) {
	text, err := os.ReadFile("testdata/foreign/main.c.txt")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	source, program := filepath.Join(dir, "main.c"), filepath.Join(dir, "main")
	if err := os.WriteFile(source, text, 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.c")
	if err != nil {
		t.Fatal(err)
	}
	flags := func(name string) []string { return strings.Fields(os.Getenv(name)) } // they choose the OpenSSL
	args := append(flags("CGO_CFLAGS"), "-std=gnu11", "-pthread", "-I.", "-o", program, source)
	args = append(append(args, files...), flags("CGO_LDFLAGS")...)
	args = append(args, strings.Fields(output(t, "pkg-config", "--cflags", "--libs", "libssl", "libcrypto"))...)
	output(t, "gcc", args...)
	output(t, program)
}
