package fleet

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
)

var (
	rate  = flag.Int("rate", 100, "handshakes a second of all clients")
	short = flag.Bool("short-proof", false, "less of everything, to see whether it works")
)

// place is a file in the directory of the build, which has sessl.test and gets the tables.
func place(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("SESSL_PROOF")
	if dir == "" {
		t.Fatal("SESSL_PROOF is missing: make fleet-proof builds what the machines run, and says where it is")
	}
	return filepath.Join(dir, name)
}

// patience bounds every wait for an event. No test waits for it.
const patience = 60 * time.Second

func TestMain(m *testing.M) {
	if words, ok := os.LookupEnv(costly); ok {
		if err := serveCost(strings.Split(words, "\n")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	leakcheck.Main(m)
}

// whole is a number of the whole proof, or of the short one.
func whole[T any](long, brief T) T {
	if *short {
		return brief
	}
	return long
}

// pass lets time pass: the proof is about what happens meanwhile.
func pass(d time.Duration) { <-time.After(d) }
