package demo

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

// throughFile saves a session, lets OpenSSL's own tool read it, and resumes it in another
// process.
func throughFile(w io.Writer, dir string, again func(Saved) []string) error {
	fm := forms[len(forms)-1]
	s, err := startServer(dir, fm)
	if err != nil {
		return err
	}
	defer s.Close()
	saved := Saved{
		CA:      filepath.Join(dir, caFile),
		Session: filepath.Join(dir, "session.pem"),
		Addr:    s.l.Addr().String(),
	}
	if err := saveSession(fm, saved); err != nil {
		return err
	}
	if err := readWithOpenSSL(w, saved.Session); err != nil {
		return err
	}
	return resumeElsewhere(w, again(saved))
}

func saveSession(fm form, to Saved) error {
	c, err := newClient(to.CA, fm, "ping\n")
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.connect(to.Addr); err != nil {
		return err
	}
	pem, err := c.newest.MarshalPEM()
	if err != nil {
		return err
	}
	defer clear(pem)
	return os.WriteFile(to.Session, pem, 0o600) // it holds the session's secret
}

func readWithOpenSSL(w io.Writer, file string) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, openssl(), "sess_id", "-in", file, "-noout", "-text").CombinedOutput()
	if err != nil {
		return fmt.Errorf("openssl sess_id: %w: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "Protocol") || strings.Contains(line, "Timeout") ||
			strings.Contains(line, "Verify return") {
			fmt.Fprintf(w, "openssl sess_id:  %s\n", strings.Join(strings.Fields(line), " "))
		}
	}
	return nil
}

// resumeElsewhere starts a second process of this program. If the library under test needs its
// own loader, SESSL_EXEC names it.
func resumeElsewhere(w io.Writer, args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if len(os.Getenv("SESSL_EXEC")) > 0 {
		self = os.Args[0]
	}
	argv := append(strings.Fields(os.Getenv("SESSL_EXEC")), self)
	argv = append(argv, args...)
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("second process: %w: %s", err, out)
	}
	fmt.Fprintf(w, "second process:   %s", out)
	return nil
}

// Resume is the second process: it resumes the saved session and reports that on w.
func Resume(w io.Writer, saved Saved) error {
	c, err := newClient(saved.CA, forms[len(forms)-1], "ping\n")
	if err != nil {
		return err
	}
	defer c.Close()
	pem, err := os.ReadFile(saved.Session)
	if err != nil {
		return err
	}
	if c.newest, err = ssl.ParseSessionPEM(pem); err != nil {
		return err
	}
	if err := c.connect(saved.Addr); err != nil {
		return err
	}
	if c.reused != 1 {
		return errors.New("the session was not resumed")
	}
	fmt.Fprintf(w, "resumed %s, %s\n", ssl.VersionName(c.state.Version), c.state.CipherName)
	return nil
}
