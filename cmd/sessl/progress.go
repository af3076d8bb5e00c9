package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// progress is one line that is overwritten while the user waits. It is shown on a terminal
// only.
type progress struct{ w io.Writer }

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return &progress{io.Discard}
	}
	return &progress{w}
}

// clearLine returns to the beginning of the line and erases the rest.
const clearLine = "\r\x1b[K"

func (p *progress) show(format string, args ...any) {
	fmt.Fprintf(p.w, clearLine+format, args...)
}

// done erases the line.
func (p *progress) done() { fmt.Fprint(p.w, clearLine) }
