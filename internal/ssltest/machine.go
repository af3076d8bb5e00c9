package ssltest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"sessl/ssl"
)

// skewVar tells a test binary to be a machine, by how much its clock is fast.
const skewVar = "SSLTEST_MACHINE_SKEW"

// AsMachine serves cfg and reports true if the process is one that StartMachine has started. The test
// must return then, and call it before anything else.
func AsMachine(t *testing.T, cfg func() *ssl.Config) bool {
	t.Helper()
	skew, err := time.ParseDuration(os.Getenv(skewVar))
	if err != nil {
		return false
	}
	NewClock(t).Pass(skew)
	s := StartServer(t, cfg())
	fmt.Printf("machine %s\n", s.Addr)
	io.Copy(io.Discard, os.Stdin) // until the other process has no more questions
	return true
}

// StartMachine runs the test that calls it in another process, with a clock that is fast by skew, for
// its AsMachine. The process, of whose server only the address is known, ends with the test.
func StartMachine(t *testing.T, skew time.Duration) *Server {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), skewVar+"="+skew.String())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	t.Cleanup(func() {
		in.Close()
		rest, _ := io.ReadAll(lines)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the machine that is %v fast: %v\n%s", skew, err, rest)
		}
	})
	line, err := lines.ReadString('\n')
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "machine ")
	if err != nil || !ok {
		t.Fatalf("the machine that is %v fast says %q, %v", skew, line, err)
	}
	return &Server{Addr: addr}
}
