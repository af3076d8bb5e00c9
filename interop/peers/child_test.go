package peers

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait. No test waits for it.
const patience = 60 * time.Second

// program finds a peer. Debian's own comes first, because the versions in docs/interop.md are
// Debian's. Servers are in /usr/sbin, which is not in every PATH.
func program(t *testing.T, name string) string {
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

// command makes a process that is asked to end when the test does, and that is killed if it
// does not, or if this process dies. (The kernel ties that to the thread that started it; Go
// ends no thread before the process.)
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program(t, name), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	// Messages in English, and no configuration of the user's.
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+os.TempDir(), "OPENSSL_CONF=/dev/null", "SSLKEYLOGFILE=")
	return cmd
}

// run runs a peer to its end and returns everything that it printed.
func run(t *testing.T, stdin string, name string, args ...string) string {
	t.Helper()
	cmd := command(t, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// process is a server that is a peer.
type process struct {
	addr string

	cmd  *exec.Cmd
	stop func() // ends the process, once

	mu      sync.Mutex
	out     bytes.Buffer
	changed chan struct{} // closed and replaced when out has grown, closed for good at the end
	ended   bool
}

// listen makes a listening socket on loopback, which a child gets as its descriptor 3. It
// accepts from here on, so no wait for the child is needed.
func listen(t *testing.T) (addr string, socket *os.File) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err = l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	return l.Addr().String(), socket
}

// start starts a server. If there is a socket, the server gets it as descriptor 3.
func start(t *testing.T, cmd *exec.Cmd, addr string, socket *os.File) *process {
	t.Helper()
	p := &process{addr: addr, cmd: cmd, changed: make(chan struct{})}
	if socket != nil {
		defer socket.Close()
		cmd.ExtraFiles = []*os.File{socket}
	}
	cmd.Stdout, cmd.Stderr = p, p // one writer: exec uses one goroutine for both
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		cmd.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ended = true
		close(p.changed)
	}()
	p.stop = sync.OnceFunc(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		timer := time.AfterFunc(cmd.WaitDelay, func() { cmd.Process.Kill() })
		defer timer.Stop()
		<-done
	})
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s printed:\n%s", cmd, p.printed())
		}
	})
	return p
}

// Write collects what the server prints.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out.Write(b)
	close(p.changed)
	p.changed = make(chan struct{})
	return len(b), nil
}

func (p *process) printed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// await waits until the server has printed text that re matches, and returns the first group.
func (p *process) await(t *testing.T, re *regexp.Regexp) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		p.mu.Lock()
		m, ended, changed := re.FindSubmatch(p.out.Bytes()), p.ended, p.changed
		p.mu.Unlock()
		switch {
		case m != nil:
			return string(m[1])
		case ended:
			t.Fatalf("%s ended without printing %s", p.cmd, re)
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%s does not print %s", p.cmd, re)
		}
	}
}
