package surface

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The quick start of the README is the first Example, from the roots on.
func TestQuickStartIsTheExample(t *testing.T) {
	readme, err := os.ReadFile(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile(root + "/ssl/example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```go\n(.*?)```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("the README has no Go block")
	}
	indented := "\t" + strings.ReplaceAll(strings.TrimSuffix(string(block[1]), "\n"), "\n", "\n\t")
	if !strings.Contains(string(example), indented+"\n\t// Output:") {
		t.Error("the README's quick start is not the code of func Example")
	}
}
