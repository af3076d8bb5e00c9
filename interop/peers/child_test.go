package peers

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"sessl/interop/visits"
)

// patience bounds every wait. No test waits for it.
const patience = 60 * time.Second

func program(t *testing.T, name string) string {
	t.Helper()
	return visits.Program(t, name)
}

func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	return visits.Command(t, patience, name, args...)
}

func run(t *testing.T, stdin string, name string, args ...string) string {
	t.Helper()
	return visits.Run(t, patience, stdin, name, args...)
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
