// Package dbtest starts databases for tests, proxies that spoil what they say, and web servers that share
// ticket keys. All end with the test.
package dbtest

import (
	"bufio"
	"cmp"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a redis-server, or another one with its options, on loopback.
type Server struct {
	Addr string

	t     testing.TB
	words func(port, dir string) []string // the command
	run   *process                        // nil after Kill
}

// patience is for how long a database may take to come up on a busy machine.
const patience = 30 * time.Second

// Program is the database that tests start: redis-server, or what SESSL_DATABASE names.
func Program() string { return cmp.Or(os.Getenv("SESSL_DATABASE"), "redis-server") }

// Start starts an empty database that writes nothing to disk. args are further options.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(t, func(port, dir string) []string {
		words := []string{Program(), "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", dir}
		return append(words, args...)
	})
}

func start(t testing.TB, words func(port, dir string) []string) *Server {
	t.Helper()
	s := &Server{t: t, words: words}
	for range 5 { // another process may have taken the port meanwhile
		s.Addr = FreeAddr(t)
		if s.start() {
			t.Cleanup(s.Kill)
			return s
		}
	}
	t.Fatal(Program() + " does not start; scripts/deps redis-server installs redis-server")
	return nil
}

// FreeAddr returns an address of loopback on which no socket listens.
func FreeAddr(t testing.TB) string {
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
	log := dir + "/log"
	s.run = run(s.t, log, "KILL", s.words(port, dir)...)
	if s.ready() {
		return true
	}
	s.Kill()
	text, _ := os.ReadFile(log)
	s.t.Logf("%s: %s", Program(), text)
	return false
}

// ready waits until the database of this process answers, or has ended.
func (s *Server) ready() bool {
	want := "process_id:" + strconv.Itoa(s.run.pid) + "\r"
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if info, err := Do(s.Addr, "INFO", "server"); err == nil && strings.Contains(info, want) {
			return true
		}
		select {
		case <-s.run.gone:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	return false
}

// Kill ends the database at once, also one that is stopped.
func (s *Server) Kill() {
	if s.run != nil {
		s.run.end()
		s.run = nil
	}
}

// Restart starts an empty database in the same place, after Kill or instead of it.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if !s.start() {
		s.t.Fatal(Program() + " does not start again")
	}
}

// Stop suspends the process, and Continue has it go on.
func (s *Server) Stop() { s.run.signal(s.t, syscall.SIGSTOP) }

// Continue ends Stop.
func (s *Server) Continue() { s.run.signal(s.t, syscall.SIGCONT) }

// Do sends a command and returns the reply.
func (s *Server) Do(words ...string) string {
	s.t.Helper()
	r, err := Do(s.Addr, words...)
	if err != nil {
		s.t.Fatalf("%.80q: %v", words, err)
	}
	return r
}

// Await returns when the reply to a command, its words apart by blanks, has that text in it.
func (s *Server) Await(command, want string) {
	s.t.Helper()
	for end := time.Now().Add(patience); !strings.Contains(s.Do(strings.Fields(command)...), want); {
		if time.Now().After(end) {
			s.t.Fatalf("%s does not say %q: %s", command, want, s.Do(strings.Fields(command)...))
		}
		time.Sleep(10 * time.Millisecond)
	}
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
