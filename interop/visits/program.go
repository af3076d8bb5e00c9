// Package visits has programs of others visit a server, for tests, and reads from what they print whether
// they resumed.
package visits

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Program finds a peer. Debian's own comes first, because the versions in docs/interop.md are
// Debian's. Servers are in /usr/sbin, which is not in every PATH.
func Program(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range []string{"/usr/bin", "/usr/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: run `make deps-interop` in the root of the tree", name)
	}
	return path
}

// Command makes a process that is asked to end when the limit has passed or the test ends, and that is killed
// if it does not, or if this process dies. (The kernel ties that to the thread that started it; Go
// ends no thread before the process.)
func Command(t *testing.T, limit time.Duration, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, Program(t, name), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	// Messages in English, and no configuration of the user's.
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+os.TempDir(), "OPENSSL_CONF=/dev/null", "SSLKEYLOGFILE=")
	return cmd
}

// Run runs a peer to its end and returns everything that it printed.
func Run(t *testing.T, limit time.Duration, stdin, name string, args ...string) string {
	t.Helper()
	cmd := Command(t, limit, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}
