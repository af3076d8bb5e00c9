// Package dbtest starts databases for tests, and proxies that spoil what they say. All end with the test.
package dbtest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a redis-server, or another one with its options, on loopback.
type Server struct {
	Addr string

	t    testing.TB
	args []string
	cmd  *exec.Cmd
	end  func()
	pid  int
}

// patience is for how long a database may take to come up on a busy machine.
const patience = 30 * time.Second

// program starts the database, says its process id, and ends it when standard input ends. That is so when
// the test's process is gone, however it ended.
const program = `"$@" >"$LOG" 2>&1 & echo $!; read -r _; kill -9 $!; wait`

// Start starts an empty database that writes nothing to disk. args are further options.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, args: args}
	for range 5 { // another process may have taken the port meanwhile
		s.Addr = freeAddr(t)
		if s.start() {
			t.Cleanup(s.Kill)
			return s
		}
	}
	t.Fatal("redis-server does not start; scripts/deps redis-server installs it")
	return nil
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *Server) start() bool {
	s.t.Helper()
	dir := s.t.TempDir()
	_, port, _ := net.SplitHostPort(s.Addr)
	s.cmd = exec.Command("sh", append([]string{"-c", program, "sh", "redis-server", "--port", port,
		"--bind", "127.0.0.1", "--save", "", "--dir", dir}, s.args...)...)
	log := dir + "/log"
	s.cmd.Env = append(os.Environ(), "LOG="+log)
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	stdout, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.end = func() {
		stdin.Close()
		s.cmd.Wait()
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	if s.pid, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		s.t.Fatal("no process id: ", err)
	}
	if s.ready() {
		return true
	}
	s.end()
	text, _ := os.ReadFile(log)
	s.t.Logf("redis-server: %s", text)
	return false
}

// ready waits until the database of this process answers.
func (s *Server) ready() bool {
	want := "process_id:" + strconv.Itoa(s.pid) + "\r"
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if info, err := Do(s.Addr, "INFO", "server"); err == nil && strings.Contains(info, want) {
			return true
		}
		if syscall.Kill(s.pid, 0) != nil {
			return false
		}
	}
	return false
}

// Kill ends the database at once, also one that is stopped.
func (s *Server) Kill() {
	if s.end != nil {
		s.end()
		s.end = nil
	}
}

// Restart starts an empty database in the same place, after Kill or instead of it.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if !s.start() {
		s.t.Fatal("redis-server does not start again")
	}
}

// Stop suspends the process, and Continue has it go on.
func (s *Server) Stop() { s.signal(syscall.SIGSTOP) }

// Continue ends Stop.
func (s *Server) Continue() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := syscall.Kill(s.pid, sig); err != nil {
		s.t.Fatal(err)
	}
}

// Do sends a command and returns the reply.
func (s *Server) Do(words ...string) string {
	s.t.Helper()
	r, err := Do(s.Addr, words...)
	if err != nil {
		s.t.Fatalf("%.80q: %v", words, err)
	}
	return r
}

// Keys returns the names of the keys with that beginning.
func (s *Server) Keys(prefix string) []string {
	s.t.Helper()
	keys, err := ask(s.Addr, "KEYS", prefix+"*")
	if err != nil {
		s.t.Fatal(err)
	}
	return keys
}

// Do sends a command to a database and returns the reply: a string, or of an array one line for each
// element.
func Do(addr string, words ...string) (string, error) {
	all, err := ask(addr, words...)
	return strings.Join(all, "\n"), err
}

func ask(addr string, words ...string) ([]string, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := c.Write([]byte(b.String())); err != nil {
		return nil, err
	}
	return elements(bufio.NewReader(c))
}
