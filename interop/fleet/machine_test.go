package fleet

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A machine is a process of sessl serve.
type machine struct {
	addr string

	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	gone  chan struct{} // closed when the process has ended

	mu    sync.Mutex
	lines []string
	grown chan struct{} // closed and replaced when there is another line
	errs  strings.Builder
}

// startMachine starts a server of those options on an address, with a clock that is fast by skew.
func startMachine(t *testing.T, addr string, skew time.Duration, options ...string) *machine {
	t.Helper()
	words := append([]string{"serve", "--www", "--close", "--listen", addr}, options...)
	cmd := exec.Command(place(t, "sessl.test"), words...)
	cmd.Env = append(os.Environ(), "SESSL_TEST_AS_PROGRAM=1", "SESSL_TEST_CLOCK="+skew.String())
	// The machine ends if this process dies. The kernel ties that to a thread, and Go ends none before.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	m := &machine{addr: addr, t: t, cmd: cmd, gone: make(chan struct{}), grown: make(chan struct{})}
	cmd.Stderr = &m.errs
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m.stdin = stdin
	go m.collect(stdout)
	t.Cleanup(func() {
		m.kill()
		if t.Failed() {
			t.Logf("the machine at %s said:\n%s%s", addr, m.log(), m.errs.String())
		}
	})
	m.await("listening on ", 1)
	return m
}

func (m *machine) collect(stdout io.Reader) {
	for s := bufio.NewScanner(stdout); s.Scan(); {
		m.mu.Lock()
		m.lines = append(m.lines, s.Text())
		close(m.grown)
		m.grown = make(chan struct{})
		m.mu.Unlock()
	}
	m.cmd.Wait()
	close(m.gone)
}

// await returns when the machine has printed n lines with that text.
func (m *machine) await(text string, n int) {
	m.t.Helper()
	m.awaitFor(text, n, patience)
}

// awaitFor is await for what may take longer than patience.
func (m *machine) awaitFor(text string, n int, limit time.Duration) {
	m.t.Helper()
	m.until(text, limit, func() bool { return m.count(text) >= n })
}

// until returns when there are lines that are enough; text stands for them in errors.
func (m *machine) until(text string, limit time.Duration, enough func() bool) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), limit)
	defer cancel()
	for {
		m.mu.Lock()
		grown := m.grown
		m.mu.Unlock()
		if enough() {
			return
		}
		select {
		case <-grown:
		case <-m.gone:
			m.t.Fatalf("the machine at %s ended without saying %q: %s", m.addr, text, m.errs.String())
		case <-ctx.Done():
			m.t.Fatalf("the machine at %s does not say %q:\n%s", m.addr, text, m.log())
		}
	}
}

// printed is how many lines the machine has printed.
func (m *machine) printed() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.lines)
}

// line returns the first line behind the first n that begins so, when it is there.
func (m *machine) line(prefix string, n int) (found string) {
	m.t.Helper()
	m.until(prefix, patience, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		i := slices.IndexFunc(m.lines[n:], func(s string) bool { return strings.HasPrefix(s, prefix) })
		if i >= 0 {
			found = m.lines[n+i]
		}
		return i >= 0
	})
	return found
}

// count is how many lines with that text the machine has printed.
func (m *machine) count(text string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, line := range m.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// log is what the machine has printed, but for handshakes that were not cut off.
func (m *machine) log() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(slices.DeleteFunc(slices.Clone(m.lines), func(line string) bool {
		return strings.Contains(line, " session=")
	}), "\n")
}

// handshakes is what the machine says that it has done.
func (m *machine) handshakes() (full, resumed int) {
	return m.count(" full "), m.count(" resumed=")
}

// moveClock has the machine's clock go forward by d, or back.
func (m *machine) moveClock(d time.Duration) {
	m.t.Helper()
	said := fmt.Sprintf("clock moved by %v", d)
	n := m.count(said)
	if _, err := fmt.Fprintln(m.stdin, d); err != nil {
		m.t.Fatal(err)
	}
	m.await(said, n+1)
}

// reload has the machine read its seal keys again.
func (m *machine) reload() {
	m.t.Helper()
	const said = "seal keys read again"
	n := m.count(said)
	if err := m.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		m.t.Fatal(err)
	}
	m.await(said, n+1)
}

// kill ends the process at once, and returns when it has ended.
func (m *machine) kill() {
	m.cmd.Process.Kill()
	<-m.gone
}

// end ends the process as an administrator does. It fails if the machine has left anything behind.
func (m *machine) end() {
	m.t.Helper()
	if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		m.t.Fatal(err)
	}
	select {
	case <-m.gone:
	case <-time.After(patience):
		m.t.Fatalf("the machine at %s does not end", m.addr)
	}
	if code := m.cmd.ProcessState.ExitCode(); code != 0 {
		m.t.Errorf("the machine at %s has ended with status %d: %s", m.addr, code, m.errs.String())
	}
}
