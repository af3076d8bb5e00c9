package lint

import (
	"path"
	"strings"
	"testing"
	"unicode/utf8"
)

// editor: the tree obeys .editorconfig, as far as a line shows it. gofmt sees to Go, and
// clang-format to C.
func editor(t *tree) []finding {
	var found []finding
	for _, f := range t.files {
		if strings.Contains("/"+f.path, "/testdata/fuzz/") || strings.Contains("/"+f.path, "/testdata/certs/") {
			continue
		}
		n := 0
		for line := range strings.Lines(f.text) {
			n++
			if why := againstEditor(f.path, line); why != "" {
				found = append(found, finding{f.path, n, why})
			}
		}
	}
	return found
}

func againstEditor(name, line string) string {
	text, ended := strings.CutSuffix(line, "\n")
	switch {
	case !utf8.ValidString(line):
		return "not UTF-8"
	case !ended:
		return "the last line has no end"
	case strings.HasSuffix(text, "\r"):
		return "a line ends in CR LF"
	case strings.TrimRight(text, " \t") != text && path.Ext(name) != ".tsv":
		return "spaces at the end of a line"
	case strings.HasPrefix(text, "\t") && isSpaced(name):
		return "indented by a tab"
	case strings.HasPrefix(text, "  ") && path.Base(name) == "Makefile":
		return "indented by spaces"
	}
	return ""
}

// isSpaced tells which files are indented by spaces.
func isSpaced(name string) bool {
	switch path.Ext(name) {
	case ".c", ".h", ".yml", ".yaml", ".json":
		return true
	}
	return false
}

func TestEditor(t *testing.T) {
	enforce(t, editor,
		mutant{
			"a.md":     "fine\nnot  // BAD\n",
			"b.c":      "int f(void)\n{\n\treturn 1; /* BAD */\n}\n",
			"Makefile": "all:\n  true // BAD\n",
			"c.txt":    "one\r // BAD\n",
		},
		mutant{
			"a.tsv":                "a\t\n",
			"b.c":                  "int f(void)\n{\n    return 1;\n}\n",
			"Makefile":             "all:\n\ttrue\n",
			"ssl/testdata/fuzz/a":  "no end",
			"interop/a/main.go":    "package a\n\nfunc f() {\n\t_ = 1\n}\n",
			"examples/a/data.json": "{\n  \"a\": 1\n}\n",
		})
}
