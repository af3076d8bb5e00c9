package demo

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"sessl/ssl"
)

// server is an echo server of this package.
type server struct {
	ctx  *ssl.Ctx
	l    net.Listener
	done sync.WaitGroup
}

func startServer(dir string, fm form) (*server, error) {
	cert, err := ssl.LoadX509KeyPair(filepath.Join(dir, certFile), filepath.Join(dir, keyFile))
	if err != nil {
		return nil, err
	}
	ctx, err := ssl.NewServerCtx(&ssl.Config{
		Certificates:           []ssl.Certificate{cert},
		SessionTicketsDisabled: !fm.tickets,
	})
	if err != nil {
		return nil, err
	}
	l, err := ssl.Listen("tcp", "127.0.0.1:0", ctx)
	if err != nil {
		ctx.Close()
		return nil, err
	}
	s := &server{ctx: ctx, l: l}
	s.done.Go(s.accept)
	return s, nil
}

func (s *server) accept() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		s.done.Go(func() {
			defer c.Close()
			c.SetDeadline(time.Now().Add(timeout))
			io.Copy(c, c)
		})
	}
}

func (s *server) Close() {
	s.l.Close()
	s.done.Wait()
	s.ctx.Close()
}

func againstOurs(w io.Writer, dir string) error {
	for _, fm := range forms {
		if err := reuseOurs(w, dir, fm); err != nil {
			return err
		}
	}
	return nil
}

func reuseOurs(w io.Writer, dir string, fm form) error {
	s, err := startServer(dir, fm)
	if err != nil {
		return err
	}
	defer s.Close()
	c, err := newClient(filepath.Join(dir, caFile), fm, "ping\n")
	if err != nil {
		return err
	}
	defer c.Close()
	return c.reuse(w, fm.name, s.l.Addr().String())
}

func againstOpenSSL(w io.Writer, dir string) error {
	for _, fm := range forms {
		if err := reuseOpenSSL(w, dir, fm); err != nil {
			return err
		}
	}
	return nil
}

// openssl returns the command line tool of the library under test.
func openssl() string {
	if p := os.Getenv("SESSL_OPENSSL"); p != "" {
		return p
	}
	return "openssl"
}

// reuseOpenSSL uses openssl s_server -rev as the server, which sends each line back reversed.
func reuseOpenSSL(w io.Writer, dir string, fm form) error {
	addr, err := freeAddr()
	if err != nil {
		return err
	}
	args := []string{"s_server", "-accept", addr, "-rev",
		"-cert", filepath.Join(dir, certFile), "-key", filepath.Join(dir, keyFile)}
	if !fm.tickets {
		args = append(args, "-no_ticket")
	}
	cmd := exec.Command(openssl(), args...)
	stop, err := startUntil(cmd, "ACCEPT")
	if err != nil {
		return err
	}
	defer stop()
	c, err := newClient(filepath.Join(dir, caFile), fm, "gnip\n")
	if err != nil {
		return err
	}
	defer c.Close()
	return c.reuse(w, fm.name, addr)
}

// freeAddr finds a port for a server that cannot choose its own.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// startUntil starts cmd and waits for a line that begins with ready. stop kills the process; it
// is killed after timeout in any case.
func startUntil(cmd *exec.Cmd, ready string) (stop func(), err error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	watchdog := time.AfterFunc(timeout, func() { cmd.Process.Kill() })
	stop = func() {
		watchdog.Stop()
		cmd.Process.Kill()
		io.Copy(io.Discard, out)
		cmd.Wait() // its error is the signal that we sent
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), ready) {
			go io.Copy(io.Discard, out)
			return stop, nil
		}
	}
	stop()
	return nil, errors.New(strings.TrimSpace(fmt.Sprintf("%s did not start: %s", cmd.Args[0], stderr.String())))
}
