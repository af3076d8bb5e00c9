package peers

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"sessl/interop/visits"
)

// A cell of the matrix is one peer in one role, with one form of resumption.
type cell struct {
	Peer     string `json:"peer"`
	Version  string `json:"version"`
	Role     string `json:"role"` // the peer's: "client" or "server"
	Form     string `json:"form"`
	Expected string `json:"expected"` // "resumed" or "full handshake", after the first connection
	Result   string `json:"result"`   // the same, "disagreed" or "not run"
	Says     string `json:"says"`     // the peer's own report of its last connection

	// For peers that come back many times: how often each has returned, and was resumed.
	Returns int `json:"returns,omitempty"`
	Resumed int `json:"resumed,omitempty"`
}

var matrix []*cell

const notRun = "not run"

// declare adds the cells that the tables of peers promise, so that missing runs are seen.
func declare(role, peer string, f form) {
	expected := "full handshake"
	if f.resumes() {
		expected = "resumed"
	}
	matrix = append(matrix, &cell{Peer: peer, Role: role, Form: f.name, Expected: expected, Result: notRun})
}

func find(role, peer string, f form) *cell {
	for _, c := range matrix {
		if c.Role == role && c.Peer == peer && c.Form == f.name {
			return c
		}
	}
	panic("not declared: " + peer)
}

type word = visits.Word

// judge compares the peer's reports with the expected outcomes, and with the reports of our
// end: the first connection is a full handshake, and the others are what the form promises.
func (c *cell) judge(t *testing.T, f form, peer []word, ours []bool) {
	t.Helper()
	c.Result = "disagreed"
	if len(peer) > 0 {
		c.Says = peer[len(peer)-1].Text
	}
	if len(peer) < 2 || len(peer) != len(ours) {
		t.Fatalf("the peer tells of %d connections, our end of %d; want two at least\npeer: %v\nours: %v",
			len(peer), len(ours), peer, ours)
	}
	for i, w := range peer {
		want := i > 0 && f.resumes()
		if w.Resumed != want || ours[i] != want {
			t.Errorf("connection %d: the peer says %q, our end resumed=%t; want resumed=%t", i, w.Text, ours[i], want)
		}
	}
	if !t.Failed() {
		c.Result = c.Expected
	}
}

// matrixRun runs the tests and then prints the matrix.
type matrixRun struct{ m *testing.M }

func (r matrixRun) Run() int {
	code := r.m.Run()
	if flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.skip").Value.String() != "" {
		matrix = slices.DeleteFunc(matrix, func(c *cell) bool { return c.Result == notRun })
	}
	printMatrix(os.Stdout)
	if path := os.Getenv("INTEROP_JSON"); path != "" {
		if err := writeJSON(path); err != nil {
			fmt.Fprintln(os.Stderr, "matrix:", err)
			code = max(code, 1)
		}
	}
	if slices.ContainsFunc(matrix, func(c *cell) bool { return c.Result != c.Expected }) {
		code = max(code, 1) // cells that were not run fail too
	}
	return code
}

func printMatrix(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "PEER\tVERSION\tROLE\tFORM\tRESULT\tITS OWN WORDS")
	for _, c := range matrix {
		result := c.Result
		if c.Returns > 0 {
			result = fmt.Sprintf("%s %d of %d", result, c.Resumed, c.Returns)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", c.Peer, c.Version, c.Role, c.Form, result, c.Says)
	}
	tw.Flush()
}

func writeJSON(path string) error {
	b, err := json.MarshalIndent(matrix, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

var versionNumber = regexp.MustCompile(`\d+\.\d+(\.\d+)*`)

// version returns the version that the program reports, or "" if it does not run.
func version(path string, args ...string) string {
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		return ""
	}
	return versionNumber.FindString(strings.SplitN(string(out), "\n", 2)[0])
}
