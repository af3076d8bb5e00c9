// Package demo shows session reuse on real connections, and fails if any of it fails: with a
// server of this module, with openssl s_server, and from a file in a second process. It ends
// with a census of the objects in C memory. examples/reuse and the demo command of cmd/sessl
// run it.
package demo

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"sessl/ssl"
)

// resumptions is the number of connections after the full handshake.
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

// A Saved has what the second process needs to resume the session of the first.
type Saved struct {
	CA      string // file of the root certificate
	Session string // file of the session, in PEM
	Addr    string // address of the server
}

// Run does the whole demonstration and describes it on w. again returns the arguments with
// which a second process of this program calls Resume.
func Run(w io.Writer, again func(Saved) []string) error {
	dir, err := os.MkdirTemp("", "sessl-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := writeCerts(dir); err != nil {
		return err
	}
	parts := []struct {
		title string
		do    func() error
	}{
		{"A server of this package", func() error { return againstOurs(w, dir) }},
		{"openssl s_server", func() error { return againstOpenSSL(w, dir) }},
		{"A session kept in a file", func() error { return throughFile(w, dir, again) }},
	}
	for _, p := range parts {
		fmt.Fprintf(w, "== %s\n", p.title)
		if err := p.do(); err != nil {
			return fmt.Errorf("%s: %w", p.title, err)
		}
		fmt.Fprintln(w)
	}
	return census(w)
}

// census prints how many objects were made and freed, and fails if any is left.
func census(w io.Writer) error {
	runtime.GC()
	c := ssl.ReadCounters()
	fmt.Fprintln(w, "== Census")
	line := func(what string, h ssl.HandleCounts) {
		fmt.Fprintf(w, "%-20s opened %4d  closed %4d  collected %d  live %d\n",
			what, h.Opened, h.Closed, h.Collected, h.Live)
	}
	line("session handles", c.Sessions)
	line("borrowed sessions", c.Borrowed)
	line("connections", c.Conns)
	line("contexts", c.Ctxs)
	objects := c.SessionObjectsCreated - c.SessionObjectsFreed
	fmt.Fprintf(w, "%-20s created %d  freed %d  live %d\n",
		"SSL_SESSION objects", c.SessionObjectsCreated, c.SessionObjectsFreed, objects)
	if live := c.Sessions.Live + c.Borrowed.Live + c.Conns.Live + c.Ctxs.Live + objects; live != 0 {
		return fmt.Errorf("%d handles or objects are still live", live)
	}
	return nil
}
