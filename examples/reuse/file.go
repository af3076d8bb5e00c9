package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sessl/ssl"
)

// throughFile saves a session, has OpenSSL's own tool read it, and resumes it in another
// process.
func throughFile(w io.Writer, certs string) error {
	fm := forms[len(forms)-1]
	s, err := startServer(certs, fm)
	if err != nil {
		return err
	}
	defer s.Close()
	addr := s.l.Addr().String()
	dir, err := os.MkdirTemp("", "reuse")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "session.pem")

	if err := saveSession(certs, fm, addr, file); err != nil {
		return err
	}
	if err := readWithOpenSSL(w, file); err != nil {
		return err
	}
	return resumeElsewhere(w, certs, file, addr)
}

func saveSession(certs string, fm form, addr, file string) error {
	c, err := newClient(certs, fm, "ping\n")
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.connect(addr); err != nil {
		return err
	}
	pem, err := c.newest.MarshalPEM()
	if err != nil {
		return err
	}
	return os.WriteFile(file, pem, 0o600) // it holds the session's secret
}

func readWithOpenSSL(w io.Writer, file string) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, openssl(), "sess_id", "-in", file, "-noout", "-text").CombinedOutput()
	if err != nil {
		return fmt.Errorf("openssl sess_id: %w: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "Protocol") || strings.Contains(line, "Timeout") || strings.Contains(line, "Verify return") {
			fmt.Fprintf(w, "openssl sess_id:  %s\n", strings.Join(strings.Fields(line), " "))
		}
	}
	return nil
}

// resumeElsewhere starts this program once more. Where the library under test needs a
// loader of its own, SESSL_EXEC names it.
func resumeElsewhere(w io.Writer, certs, file, addr string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if len(os.Getenv("SESSL_EXEC")) > 0 {
		self = os.Args[0]
	}
	args := append(strings.Fields(os.Getenv("SESSL_EXEC")), self, "-certs", certs, "-resume", file, "-addr", addr)
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("second process: %w: %s", err, out)
	}
	fmt.Fprintf(w, "second process:   %s", out)
	return nil
}

// resumeFromFile is the second process.
func resumeFromFile(certs, file, addr string) error {
	c, err := newClient(certs, forms[len(forms)-1], "ping\n")
	if err != nil {
		return err
	}
	defer c.Close()
	pem, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if c.newest, err = ssl.ParseSessionPEM(pem); err != nil {
		return err
	}
	if err := c.connect(addr); err != nil {
		return err
	}
	if c.reused != 1 {
		return errors.New("the session was not resumed")
	}
	fmt.Printf("resumed %s, %s\n", ssl.VersionName(c.state.Version), c.state.CipherName)
	return nil
}
