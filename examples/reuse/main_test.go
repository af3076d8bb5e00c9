package main

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sessl/internal/demo"
	"sessl/internal/leakcheck"
)

// TestMain lets the test binary be the second process, which is started with flags of main that
// the testing package does not know.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args[1:], "-resume") {
		flag.CommandLine = flag.NewFlagSet(os.Args[0], flag.ExitOnError)
		main()
		return
	}
	leakcheck.Main(m)
}

func TestDemoHolds(t *testing.T) {
	leakcheck.Test(t)
	var out strings.Builder
	if err := demo.Run(&out, again); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if n := strings.Count(out.String(), "10/10 reused"); n != 6 {
		t.Errorf("%d lines of 10/10, want 6:\n%s", n, out.String())
	}
	if !strings.Contains(out.String(), "second process:   resumed TLS 1.3") {
		t.Errorf("nothing of the second process:\n%s", out.String())
	}
}

func TestDemoFailsWithoutOpenSSL(t *testing.T) {
	leakcheck.Test(t)
	t.Setenv("SESSL_OPENSSL", filepath.Join(t.TempDir(), "openssl"))
	var out strings.Builder
	if err := demo.Run(&out, again); err == nil || !strings.Contains(err.Error(), "openssl s_server") {
		t.Errorf("without the openssl tool: %v", err)
	}
}

// A second process that cannot resume ends the demo.
func TestDemoFailsWithAnotherSession(t *testing.T) {
	leakcheck.Test(t)
	var out strings.Builder
	err := demo.Run(&out, func(s demo.Saved) []string {
		s.Session = s.CA // no session at all
		return again(s)
	})
	if err == nil || !strings.Contains(err.Error(), "second process") {
		t.Errorf("with a file that holds no session: %v", err)
	}
}
