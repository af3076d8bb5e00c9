package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
)

// A console is a shell that runs commands as a document has them, in the root of the tree: the program that
// is tested stands for bin/sessl, a free port for the document's, and a directory of the test for /tmp.
type console struct {
	t  *testing.T
	as *strings.Replacer
}

// newConsole replaces a port of the document by a free one. quickstart is the program of that example.
func newConsole(t *testing.T, quickstart, port string) *console {
	t.Helper()
	dir := t.TempDir()
	_, free, _ := net.SplitHostPort(dbtest.FreeAddr(t))
	wrapper := filepath.Join(dir, "sessl")
	script := fmt.Sprintf("#!/bin/sh\n%s=1 exec %s '%s' \"$@\"\n", asProgram, os.Getenv("SESSL_EXEC"),
		os.Args[0])
	if err := os.WriteFile(wrapper, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return &console{t, strings.NewReplacer("bin/sessl serve", wrapper+" serve --listen 127.0.0.1:"+free,
		"bin/sessl", wrapper, "go run ./examples/quickstart", quickstart, ":"+port, ":"+free, "/tmp/", dir+"/")}
}

// command is a command of the document; one that ends in & runs until the test ends.
func (c *console) command(line string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	c.t.Cleanup(cancel)
	line, _, _ = strings.Cut(line, " #")
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+c.as.Replace(strings.TrimSuffix(line, "&")))
	if strings.Contains(line, "|") {
		cmd.Args[2] = strings.TrimPrefix(cmd.Args[2], "exec ")
	}
	cmd.Dir, cmd.WaitDelay = "../..", time.Second
	return cmd
}

// The README's commands do what it shows: the sample of the command line, and both ways to run the quick
// start apart.
func TestReadmeCommands(t *testing.T) {
	leakcheck.Test(t)
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	quickstart := filepath.Join(t.TempDir(), "quickstart")
	build := exec.Command("go", "build", "-o", quickstart, "sessl/examples/quickstart")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := newConsole(t, quickstart, "4433")
	sample := regexp.MustCompile("(?s)```\n(\\$ bin/sessl serve.*?)```").FindSubmatch(text)
	if sample == nil {
		t.Fatal("the README shows no sample of sessl serve")
	}
	var serve *background
	for _, part := range strings.Split(string(sample[1]), "$ ")[1:] {
		line, shown, _ := strings.Cut(part, "\n")
		if strings.HasSuffix(line, "&") {
			serve = start(t, c.command(line))
			serve.await(1, "listening on 127.0.0.1:")
			continue
		}
		out, err := c.command(line).CombinedOutput()
		if err != nil || shape(string(out)) != shape(shown) {
			t.Errorf("%s: %v\n%s\nwant, but for its figures,\n%s", line, err, out, shown)
		}
	}
	client := regexp.MustCompile("`(go run ./examples/quickstart -connect localhost:4433 [^`]*)`")
	apart := client.FindSubmatch(text)
	if apart == nil {
		t.Fatal("the README does not run the quick start's client with sessl serve")
	}
	out, err := c.command(string(apart[1])).CombinedOutput()
	if err != nil || strings.Count(string(out), "resumed by ticket") != 1 {
		t.Errorf("%s: %v\n%s", apart[1], err, out)
	}

	c = newConsole(t, quickstart, "8443")
	const run = `(go run ./examples/quickstart -%s .*)`
	apartIn := regexp.MustCompile(fmt.Sprintf(`(?m)^    `+run+`\n    `+run+`$`, "serve", "connect"))
	pair := apartIn.FindSubmatch(text)
	if pair == nil {
		t.Fatal("the README does not run the quick start's server and client apart")
	}
	server := c.command(string(pair[1]))
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		server.Process.Kill()
		server.Wait()
	}()
	for end := time.Now().Add(limit); ; {
		out, err = c.command(string(pair[2])).CombinedOutput()
		if err == nil || time.Now().After(end) {
			break // the server may not listen yet
		}
	}
	if err != nil || strings.Count(string(out), "resumed by ticket") != 1 {
		t.Errorf("%s: %v\n%s", pair[2], err, out)
	}
}

// shape is a text without its figures, names of files and the blanks between columns.
func shape(text string) string {
	text = regexp.MustCompile(`\S*\d\S*|/\S+`).ReplaceAllString(text, "N")
	return strings.Join(strings.Fields(text), " ")
}

// Each command and flag that a document names is one of the program's.
func TestDocumentedFlags(t *testing.T) {
	leakcheck.Test(t)
	help := ""
	for _, args := range [][]string{{}, {"serve"}, {"probe"}, {"inspect"}, {"tickets"}, {"tickets", "new"},
		{"tickets", "show"}, {"tickets", "rotate"}, {"seal-key"}, {"fleet", "status"},
		{"fleet", "revoke-all"}} {
		help += sessl(t, append(args, "--help")...).want(t, exitOK).out
	}
	docs, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range append(docs, "../../README.md") {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		named := regexp.MustCompile(`sessl (?:serve|probe|inspect|tickets|seal-key|fleet)[^\n]*?(--[a-z-]+)`)
		for _, m := range named.FindAllSubmatch(text, -1) {
			if !strings.Contains(help, string(m[1])) {
				t.Errorf("%s names %s, which no command has", filepath.Base(doc), m[1])
			}
		}
		if filepath.Base(doc) != "cli.md" {
			continue
		}
		for _, m := range regexp.MustCompile("`(--[a-z][a-z-]*)").FindAllSubmatch(text, -1) {
			if !strings.Contains(help, string(m[1])) {
				t.Errorf("cli.md names %s, which no command has", m[1])
			}
		}
	}
}
