// Command reuse shows session reuse on real connections, and fails if any of it fails. The code
// is in internal/demo: client.go shows how a client keeps and offers sessions, server.go has a
// server, and file.go a session that another process resumes.
package main

import (
	"flag"
	"fmt"
	"os"

	"sessl/internal/demo"
)

func main() {
	var saved demo.Saved
	flag.StringVar(&saved.Session, "resume", "", "resume the session in this PEM `file`, for the second process")
	flag.StringVar(&saved.CA, "ca", "", "with -resume: `file` of the root certificate")
	flag.StringVar(&saved.Addr, "addr", "", "with -resume: `address` to connect to")
	flag.Parse()

	var err error
	if saved.Session != "" {
		err = demo.Resume(os.Stdout, saved)
	} else {
		err = demo.Run(os.Stdout, again)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "reuse:", err)
		os.Exit(1)
	}
}

// again returns the command line of the second process.
func again(s demo.Saved) []string {
	return []string{"-resume", s.Session, "-ca", s.CA, "-addr", s.Addr}
}
