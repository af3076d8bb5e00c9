package drivers

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// patience bounds waits that would otherwise hang. No test waits for it.
const patience = 60 * time.Second

func TestMain(m *testing.M) { leakcheck.Main(m) }

// clientCtx is a client's that trusts the servers, for name.
func clientCtx(t *testing.T, name string) *ssl.Ctx {
	t.Helper()
	return ssltest.NewClientCtx(t, &ssl.Config{RootCAs: ssltest.Roots(t, "ca"), ServerName: name})
}

// A program is a server that ends with the test, and with its process.
type program struct {
	t    *testing.T
	addr string
	dir  string // its own, which is removed
	log  string
	as   *syscall.Credential // nil: whoever runs the test
}

// noUser is the user and the group of servers that refuse to run as root.
const noUser = 65534

// newProgram has a free port and a directory.
func newProgram(t *testing.T, unprivileged bool) *program {
	t.Helper()
	// The path of t.TempDir is too long for a Unix socket, and closed to others.
	dir, err := os.MkdirTemp("", "drivers")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &program{t: t, addr: dbtest.FreeAddr(t), dir: dir, log: filepath.Join(dir, "log")}
	for _, name := range []string{"server-ecdsa.pem", "server-ecdsa.key"} {
		b, err := os.ReadFile(ssltest.CertFile(name))
		if err == nil {
			err = os.WriteFile(p.file(name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if unprivileged && os.Getuid() == 0 {
		p.as = &syscall.Credential{Uid: noUser, Gid: noUser}
		for _, name := range []string{"", "server-ecdsa.pem", "server-ecdsa.key"} {
			if err := os.Chown(p.file(name), noUser, noUser); err != nil {
				t.Fatal(err)
			}
		}
	}
	return p
}

func (p *program) uid() int {
	if p.as != nil {
		return noUser
	}
	return os.Getuid()
}

func (p *program) gid() int {
	if p.as != nil {
		return noUser
	}
	return os.Getgid()
}

func (p *program) file(name string) string { return filepath.Join(p.dir, name) }

func (p *program) port() string {
	_, port, _ := net.SplitHostPort(p.addr)
	return port
}

// write makes a file for the program.
func (p *program) write(name, format string, args ...any) string {
	p.t.Helper()
	if err := os.WriteFile(p.file(name), fmt.Appendf(nil, format, args...), 0o644); err != nil {
		p.t.Fatal(err)
	}
	return p.file(name)
}

func (p *program) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "HOME="+p.dir, "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: p.as}
	return cmd
}

// run runs a program to its end.
func (p *program) run(name string, args ...string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := p.command(ctx, name, args...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// start starts the server, and returns when it accepts connections.
func (p *program) start(end syscall.Signal, name string, args ...string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	cmd := p.command(ctx, name, args...)
	log, err := os.Create(p.log)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(end) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("%v: run `make deps-drivers` in the root of the tree", err)
	}
	gone := make(chan struct{})
	go func() { cmd.Wait(); close(gone) }()
	p.t.Cleanup(func() {
		cancel()
		<-gone
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left
		if p.t.Failed() {
			p.t.Logf("log of %s:\n%s", name, p.logged())
		}
	})
	for {
		if c, err := net.Dial("tcp", p.addr); err == nil {
			c.Close()
			return
		}
		select {
		case <-gone:
			p.t.Fatalf("%s does not start:\n%s", name, p.logged())
		case <-ctx.Done():
			p.t.Fatalf("%s does not listen:\n%s", name, p.logged())
		case <-time.After(10 * time.Millisecond): // nothing tells when a port is open
		}
	}
}

// await returns when the program has logged a text n times.
func (p *program) await(n int, text string) {
	p.t.Helper()
	for end := time.Now().Add(patience); strings.Count(p.logged(), text) < n; {
		if time.Now().After(end) {
			p.t.Fatalf("%q is not in the log %d times:\n%s", text, n, p.logged())
		}
		time.Sleep(5 * time.Millisecond) // nothing tells when a file has grown
	}
}

func (p *program) logged() string {
	b, _ := os.ReadFile(p.log)
	return string(b)
}
