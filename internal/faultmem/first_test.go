package faultmem_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"sessl/internal/faultmem"
	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// firstEnv tells the test binary to be a process whose first connection has no memory.
const firstEnv = "FAULTMEM_FIRST"

// The first connection of a process makes the objects that all connections share. Each failure
// needs a process of its own: this test runs itself until a connection gets all the memory that
// it asks for.
func TestFirstConnection(t *testing.T) {
	leakcheck.Test(t)
	if k, err := strconv.Atoi(os.Getenv(firstEnv)); err == nil {
		first(t, k)
		return
	}
	for k := 1; ; k++ {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFirstConnection$", "-test.v")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", firstEnv, k))
		out, err := cmd.CombinedOutput()
		if exit, ok := err.(*exec.ExitError); ok && exit.ExitCode() == survivedAll {
			t.Logf("%d allocations", k-1)
			return
		}
		if err != nil || k > 1000 {
			t.Fatalf("allocation %d: %v\n%s", k, err, out)
		}
	}
}

// survivedAll is the exit status of a process in which nothing failed.
const survivedAll = 77

func first(t *testing.T, k int) {
	l := newLink(t, ssl.VersionTLS13, setup{})
	a, b := pipe()
	defer b.Close()
	var c *ssl.Conn
	var err error
	res := faultmem.Run(k, faultmem.Once, func() { c, err = ssl.Client(a, l.client) })
	if err != nil {
		if bad := judge("Client", err); bad != "" {
			t.Errorf("%s: %#v", bad, err)
		}
	} else {
		c.Close()
	}
	// With memory again, the process works.
	if s := l.session(t); s != nil {
		s.Close()
	}
	if !res.Failed {
		os.Exit(survivedAll)
	}
}
