package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
)

// TestMain lets the test binary be the second process: resumeElsewhere starts it with
// flags of main that the testing package does not know.
func TestMain(m *testing.M) {
	for _, a := range os.Args[1:] {
		if a == "-resume" {
			flag.CommandLine = flag.NewFlagSet(os.Args[0], flag.ExitOnError)
			main()
			return
		}
	}
	leakcheck.Main(m)
}

func TestDemoHolds(t *testing.T) {
	leakcheck.Test(t)
	var out strings.Builder
	err := run(&out, filepath.Join("..", "..", "testdata", "certs"))
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if n := strings.Count(out.String(), "10/10 reused"); n != 6 {
		t.Errorf("%d lines of 10/10, want 6:\n%s", n, out.String())
	}
}

func TestDemoFailsWithoutCertificates(t *testing.T) {
	leakcheck.Test(t)
	var out strings.Builder
	if err := run(&out, t.TempDir()); err == nil {
		t.Error("no error without certificates")
	}
}
