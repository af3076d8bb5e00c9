// Plan prints the figures of how the tree is arranged: how many files use each other in a
// circle, in Go and in C; whether the lower floor of package ssl is closed; the first words of
// its file names; the longest line of Go; and which helpers of tests exist twice.
//
//	go run ./internal/lint/plan
//
// It only measures: what must hold is checked by the tests here and in internal/lint.
package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxColumns is how long a line of Go may be.
const maxColumns = 110

// upperRooms are the rooms of the upper floor of package ssl: the first words of its files. All
// others are the lower floor, which can be read and tested without a connection.
var upperRooms = []string{"config", "conn", "ctx", "transport"}

// upperFiles declare Config, Ctx and Conn.
var upperFiles = []string{"config.go", "ctx.go", "conn.go"}

func main() {
	if err := run(os.Stdout, "."); err != nil {
		fmt.Fprintln(os.Stderr, "plan:", err)
		os.Exit(1)
	}
}

// run prints the figures of the tree in root.
func run(w io.Writer, root string) error {
	for _, figure := range []func(io.Writer, string) error{goFigures, cFigures, lineFigures, twinFigures} {
		if err := figure(w, root); err != nil {
			return err
		}
	}
	return nil
}

func goFigures(w io.Writer, root string) error {
	g, err := goUses(filepath.Join(root, "ssl"))
	if err != nil {
		return err
	}
	all := circles(g)
	n := 0
	if len(all) > 0 {
		n = len(slices.MaxFunc(all, func(a, b []string) int { return cmp.Compare(len(a), len(b)) }))
	}
	fmt.Fprintf(w, "files of ssl without tests: %d\n", len(g))
	fmt.Fprintf(w, "largest circle of Go files: %d\n", n)
	open := openLower(g)
	fmt.Fprintf(w, "lower floor closed: %v%s\n", len(open) == 0, list(open))
	words := firstWords(g)
	fmt.Fprintf(w, "first words of files of ssl: %d%s\n", len(words), list(words))
	return nil
}

func cFigures(w io.Writer, root string) error {
	g, err := cUses(filepath.Join(root, "internal", "cshim"))
	if err != nil {
		return err
	}
	all := circles(g)
	fmt.Fprintf(w, "circles of C files: %d of %d files\n", len(all), len(g))
	for _, circle := range all {
		fmt.Fprintf(w, "   %s\n", strings.Join(circle, " "))
	}
	return nil
}

func lineFigures(w io.Writer, root string) error {
	columns, where, over, err := longLines(root)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "longest line of Go: %d columns, %s\n", columns, where)
	fmt.Fprintf(w, "lines of Go over %d columns: %d\n", maxColumns, over)
	return nil
}

func twinFigures(w io.Writer, root string) error {
	twins, err := twinHelpers(root)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "helpers of tests that exist twice: %d\n", len(twins))
	for _, t := range twins {
		fmt.Fprintf(w, "   %s\n", t)
	}
	return nil
}

func list(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return ": " + strings.Join(words, " ")
}
