package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

const (
	// limit bounds every process and every wait. No test waits for it.
	limit = 30 * time.Second

	// asProgram makes the test binary the program itself.
	asProgram = "SESSL_TEST_AS_PROGRAM"

	// asClock, a duration, is by how much the program's clock is fast. Each line of its standard input moves
	// it by another one.
	asClock = "SESSL_TEST_CLOCK"

	exitLeak = 99
)

// TestMain lets the test binary be the program. The program then ends like a test: it may leave
// nothing in C memory.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "" {
		leakcheck.Main(m)
		return
	}
	useClock()
	code := process()
	if live := awaitNothingLive(); live != "" {
		fmt.Fprintln(os.Stderr, "left behind:", live)
		code = exitLeak
	}
	os.Exit(code)
}

// awaitNothingLive waits for goroutines that are about to end, and describes the objects that
// stay.
func awaitNothingLive() string {
	for end := time.Now().Add(leakcheck.Patience); ; pause(context.Background(), time.Millisecond) {
		c := ssl.ReadCounters()
		objects := c.SessionObjectsCreated - c.SessionObjectsFreed
		if c.Sessions.Live+c.Borrowed.Live+c.Conns.Live+c.Ctxs.Live+objects == 0 {
			return ""
		}
		if time.Now().After(end) {
			return fmt.Sprintf("%d sessions, %d connections, %d contexts, %d objects",
				c.Sessions.Live, c.Conns.Live, c.Ctxs.Live, objects)
		}
	}
}

// serverFlags returns the arguments of serve with a certificate and key for localhost.
func serverFlags(more ...string) []string {
	return append([]string{"serve", "--listen", "127.0.0.1:0", "--cert", ssltest.CertFile("server-ecdsa.pem"),
		"--key", ssltest.CertFile("server-ecdsa.key")}, more...)
}

// program is the command that runs sessl with args.
func program(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	argv := append(strings.Fields(os.Getenv("SESSL_EXEC")), os.Args[0])
	argv = append(argv, args...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// result is how a process ended.
type result struct {
	code        int
	out, errOut string
}

// sessl runs the program to its end.
func sessl(t testing.TB, args ...string) result {
	t.Helper()
	return finish(t, program(t, args...))
}

// want fails unless the exit status is code and a success has printed no error.
func (r result) want(t testing.TB, code int) result {
	t.Helper()
	if r.code != code || code == exitOK && r.errOut != "" {
		t.Fatalf("exit status %d, want %d\nstdout: %s\nstderr: %s", r.code, code, r.out, r.errOut)
	}
	return r
}

func finish(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

// openssl returns a command of the OpenSSL under test.
func openssl(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	name := os.Getenv("SESSL_OPENSSL")
	if name == "" {
		name = "openssl"
	}
	return exec.CommandContext(ctx, name, args...)
}

// background is a process that runs until the test ends it.
type background struct {
	t     testing.TB
	cmd   *exec.Cmd
	ended chan struct{}
	err   strings.Builder

	mu    sync.Mutex
	grown *sync.Cond
	lines []string
	eof   bool
}

func start(t testing.TB, cmd *exec.Cmd) *background {
	t.Helper()
	b := &background{t: t, cmd: cmd, ended: make(chan struct{})}
	b.grown = sync.NewCond(&b.mu)
	cmd.Stderr = &b.err
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go b.collect(out)
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-b.ended
	})
	return b
}

func (b *background) collect(out io.Reader) {
	for s := bufio.NewScanner(out); s.Scan(); {
		b.mu.Lock()
		b.lines = append(b.lines, s.Text())
		b.mu.Unlock()
		b.grown.Broadcast()
	}
	b.mu.Lock()
	b.eof = true
	b.mu.Unlock()
	b.grown.Broadcast()
	b.cmd.Wait()
	close(b.ended)
}

// await waits for the n-th line that contains text.
func (b *background) await(n int, text string) string {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		found := 0
		for _, line := range b.lines {
			if strings.Contains(line, text) {
				if found++; found == n {
					return line
				}
			}
		}
		if b.eof {
			b.t.Fatalf("%d lines with %q, want %d:\n%s\n%s",
				found, text, n, strings.Join(b.lines, "\n"), b.err.String())
		}
		b.grown.Wait()
	}
}

// count is the number of lines so far that contain text.
func (b *background) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(strings.Join(b.lines, "\n"), text)
}

// end sends a signal and waits for the end of the process.
func (b *background) end(sig os.Signal) (code int, lastLine string) {
	b.t.Helper()
	if err := b.cmd.Process.Signal(sig); err != nil {
		b.t.Fatal(err)
	}
	<-b.ended
	if s := b.err.String(); s != "" {
		b.t.Errorf("stderr: %s", s)
	}
	return b.cmd.ProcessState.ExitCode(), b.lines[len(b.lines)-1]
}

// startServe starts sessl serve and returns its address, by the name in the certificate.
func startServe(t testing.TB, more ...string) (*background, string) {
	t.Helper()
	b := start(t, program(t, serverFlags(more...)...))
	addr := strings.TrimPrefix(b.await(1, "listening on "), "listening on ")
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return b, "localhost:" + port
}

// startOpenSSL starts openssl s_server.
func startOpenSSL(t testing.TB, more ...string) (*background, string) {
	t.Helper()
	addr := dbtest.FreeAddr(t)
	args := []string{"s_server", "-accept", addr, "-cert", ssltest.CertFile("server-ecdsa.pem"),
		"-key", ssltest.CertFile("server-ecdsa.key")}
	cmd := openssl(t, append(args, more...)...)
	if _, err := cmd.StdinPipe(); err != nil { // at the end of its input it would end
		t.Fatal(err)
	}
	b := start(t, cmd)
	b.await(1, "ACCEPT")
	_, port, _ := net.SplitHostPort(addr)
	return b, "localhost:" + port
}
