// Command reuse shows session reuse on real connections, and fails when any of it does
// not hold: against a server of this package, against openssl s_server, and from a file in
// a second process. It ends with the census of what was held in C memory.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"sessl/ssl"
)

// resumptions is how many connections follow the full handshake.
const resumptions = 10

// timeout bounds each connection and each process that is started.
const timeout = 20 * time.Second

// form is one way to resume a session.
type form struct {
	name    string
	version uint16
	tickets bool
}

var forms = []form{
	{"TLS 1.2 session id", ssl.VersionTLS12, false},
	{"TLS 1.2 ticket", ssl.VersionTLS12, true},
	{"TLS 1.3 ticket", ssl.VersionTLS13, true},
}

func main() {
	certs := flag.String("certs", filepath.Join("testdata", "certs"), "directory of the test certificates")
	resume := flag.String("resume", "", "resume the session in this PEM file, for the second process")
	addr := flag.String("addr", "", "with -resume: where to connect")
	flag.Parse()

	var err error
	if *resume != "" {
		err = resumeFromFile(*certs, *resume, *addr)
	} else {
		err = run(os.Stdout, *certs)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "reuse:", err)
		os.Exit(1)
	}
}

// run does the whole demonstration.
func run(w io.Writer, certs string) error {
	parts := []struct {
		title string
		do    func(io.Writer, string) error
	}{
		{"A server of this package", againstOurs},
		{"openssl s_server", againstOpenSSL},
		{"A session kept in a file", throughFile},
	}
	for _, p := range parts {
		fmt.Fprintf(w, "== %s\n", p.title)
		if err := p.do(w, certs); err != nil {
			return fmt.Errorf("%s: %w", p.title, err)
		}
		fmt.Fprintln(w)
	}
	return census(w)
}

// census prints what was made and freed, and fails if anything is left.
func census(w io.Writer) error {
	runtime.GC()
	c := ssl.ReadCounters()
	fmt.Fprintln(w, "== Census")
	line := func(what string, h ssl.HandleCounts) {
		fmt.Fprintf(w, "%-20s opened %4d  closed %4d  collected %d  live %d\n", what, h.Opened, h.Closed, h.Collected, h.Live)
	}
	line("session handles", c.Sessions)
	line("borrowed sessions", c.Borrowed)
	line("connections", c.Conns)
	line("contexts", c.Ctxs)
	objects := c.SessionObjectsCreated - c.SessionObjectsFreed
	fmt.Fprintf(w, "%-20s created %d  freed %d  live %d\n", "SSL_SESSION objects", c.SessionObjectsCreated, c.SessionObjectsFreed, objects)
	if live := c.Sessions.Live + c.Borrowed.Live + c.Conns.Live + c.Ctxs.Live + objects; live != 0 {
		return fmt.Errorf("%d handles or objects are still live", live)
	}
	return nil
}
