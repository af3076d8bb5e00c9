package surface

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// Each test that docs/testing.md names exists, and each demand there has one.
func TestDocumentedTestsExist(t *testing.T) {
	text := readFile(t, "docs/testing.md")
	known := map[string]bool{}
	for _, pattern := range []string{"/ssl/*_test.go", "/internal/tests/*/*_test.go"} {
		files, err := filepath.Glob(root + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(data, -1) {
				known[string(m[1])] = true
			}
		}
	}
	for _, m := range regexp.MustCompile("`(Test[A-Z]\\w+)`").FindAllStringSubmatch(text, -1) {
		if !known[m[1]] {
			t.Errorf("docs/testing.md names %s, which does not exist", m[1])
		}
	}
	for _, row := range regexp.MustCompile(`(?m)^\| \d+ \|.*$`).FindAllString(text, -1) {
		if !regexp.MustCompile("`(Test[A-Z]\\w+|make \\w+)`").MatchString(row) {
			t.Errorf("no test for %s", row)
		}
	}
}
