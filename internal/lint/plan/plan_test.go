package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree writes a small tree and returns where it is.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		name = filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestFigures(t *testing.T) {
	root := tree(t, map[string]string{
		"ssl/config.go":         "package ssl\ntype Config struct{}\n",
		"ssl/conn.go":           "package ssl\ntype Conn struct{ r reader }\nfunc (c *Conn) a() { c.b() }\n",
		"ssl/conn_io.go":        "package ssl\nfunc (c *Conn) b() { c.a() }\n",
		"ssl/wire.go":           "package ssl\ntype reader struct{}\n",
		"ssl/roots.go":          "package ssl\nfunc roots(Config) {}\n",
		"ssl/a_test.go":         "package ssl\nfunc help(t *T, n int) {}\nfunc TestA(t *T) {}\n",
		"b/b_test.go":           "package b\nfunc help(u *T, m int) {}\nfunc TestA(t *T) {}\nfunc other() {}\n",
		"c/c_test.go":           "package c\nfunc help() {}\nfunc other() error { return nil }\n",
		"internal/ssltest/a.go": "package ssltest\n// " + strings.Repeat("x", 117) + "\n",
		"internal/cshim/a.c": "#include \"a.h\"\nint sessl_slot = -1;\nint sessl_a(void)\n{\n    return " +
			"sessl_b(); /* sessl_d() */\n}\n",
		"internal/cshim/b.c": "int sessl_b(void)\n{\n    return sessl_slot;\n}\n",
		"internal/cshim/d.c": "void *sessl_d(int a,\n              int b)\n{\n    return sessl_a();\n}\n",
	})
	var got strings.Builder
	if err := run(&got, root); err != nil {
		t.Fatal(err)
	}
	want := `files of ssl without tests: 5
largest circle of Go files: 2
lower floor closed: false: roots.go
first words of files of ssl: 4: config conn roots wire
circles of C files: 1 of 3 files
   a.c b.c
longest line of Go: 120 columns, ROOT/internal/ssltest/a.go:2
lines of Go over 110 columns: 1
helpers of tests that exist twice: 1
   help(*T, int) (): ROOT/b ROOT/ssl
`
	if s := strings.ReplaceAll(got.String(), root, "ROOT"); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
}

// The rule that keeps the floors apart must be about the same rooms.
func TestUpperRooms(t *testing.T) {
	text, err := os.ReadFile("../floors_test.go")
	if err != nil {
		t.Fatal(err)
	}
	want := `var upperRooms = []string{"` + strings.Join(upperRooms, `", "`) + `"}`
	if !strings.Contains(string(text), want) {
		t.Errorf("internal/lint/floors_test.go does not say %s", want)
	}
}

// C files use each other in no circle: each can be read after those that it uses.
func TestNoCircleOfCFiles(t *testing.T) {
	g, err := cUses("../../cshim")
	if err != nil {
		t.Fatal(err)
	}
	if len(g) == 0 {
		t.Fatal("no C files")
	}
	for _, circle := range circles(g) {
		t.Errorf("these use each other: %s", strings.Join(circle, " "))
	}
}
