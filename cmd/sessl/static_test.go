package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The command of docs/deployment.md makes a program that needs no library.
func TestStaticProgram(t *testing.T) {
	doc, err := os.ReadFile("../../docs/deployment.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^    go (build .*static.*)$`).FindSubmatch(doc)
	if line == nil {
		t.Fatal("docs/deployment.md has no command for a static program")
	}
	program := filepath.Join(t.TempDir(), "program")
	build := strings.Replace(string(line[1]), "build", "go build -o "+program, 1)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", build)
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd = exec.CommandContext(t.Context(), program)
	cmd.Env = []string{} // no library path
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "resumed by ticket") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), "ldd", program).CombinedOutput(); err == nil {
		t.Errorf("the program is not static:\n%s", out)
	}
}
