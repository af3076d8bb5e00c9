package lint

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

const maxColumns = 110

// persons matches a subject that names no actor. The expression does not match itself.
var persons = regexp.MustCompile(`\b[Nn]o` + `body\b|\b[Aa]ny` + `body\b|\b[Ss]ome` + `body\b`)

// cComment matches a comment of C; literals come first, so that none is found inside them.
var cComment = regexp.MustCompile(`"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|(?s:/\*.*?\*/)|//[^\n]*`)

// plainSubjects: a sentence names its subject: a client, a peer, no process.
func plainSubjects(t *tree) []finding {
	var found []finding
	for _, f := range t.files {
		for line, text := range t.prose(f) {
			if m := persons.FindString(text); m != "" {
				found = append(found, finding{f.path, line, m + ": name the subject"})
			}
		}
	}
	return found
}

// prose returns the lines of a file that are read as sentences: those of Markdown, and comments.
func (t *tree) prose(f *file) map[int]string {
	lines := make(map[int]string)
	add := func(line int, text string) {
		for s := range strings.Lines(text) {
			lines[line] += s
			line++
		}
	}
	switch {
	case f.syntax != nil:
		for _, group := range f.syntax.Comments {
			for _, c := range group.List {
				add(t.fset.Position(c.Pos()).Line, c.Text)
			}
		}
	case f.isC():
		for _, at := range cComment.FindAllStringIndex(f.text, -1) {
			if f.text[at[0]] == '/' {
				add(1+strings.Count(f.text[:at[0]], "\n"), f.text[at[0]:at[1]])
			}
		}
	case strings.HasSuffix(f.path, ".md"):
		add(1, f.text)
	case strings.HasPrefix(f.text, "#!") || f.path == "Makefile":
		n := 0
		for s := range strings.Lines(f.text) {
			n++
			if _, comment, ok := strings.Cut(s, "#"); ok {
				add(n, comment)
			}
		}
	}
	return lines
}

func TestPlainSubjects(t *testing.T) {
	const word = "some" + "body"
	enforce(t, plainSubjects,
		mutant{"httpssl/a.go": "package httpssl\n\n// It waits for " + word + ". // BAD\n" +
			"var " + word + " = \"" + word + "\" // of No" + "body // BAD\n" +
			"/* Any" + "body /* BAD */\n*/\n"},
		mutant{"docs/a.md": "One\nno" + "body's // BAD\n", "cmd/a/go.mod": "module a\n",
			"cmd/a/a_test.go": "package a\n// " + word + " // BAD\n"},
		mutant{"internal/a/a.c": "/* One\n * is " + word + "'s. /* BAD */\n */\n",
			"internal/a/a.h": "// " + word + " // BAD\n"},
		mutant{"scripts/a": "#!/bin/sh\n# for " + word + " // BAD\n",
			"Makefile": "a: ## for " + word + " // BAD\n"},
		mutant{
			"httpssl/a.go":   "package httpssl\n// http.NoBody has none.\nvar x = \"" + word + "\"\n",
			"internal/a/a.c": "const char *x = \"/* " + word + " */\"; /* one */\n",
			"testdata/a.txt": word + "\n",
		})
}

// longLines: a line of Go fits beside another one on a screen.
func longLines(t *tree) []finding {
	var found []finding
	for _, f := range t.only(func(f *file) bool { return strings.HasSuffix(f.path, ".go") }) {
		n := 0
		for line := range strings.Lines(f.text) {
			n++
			if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > maxColumns {
				found = append(found, finding{f.path, n, "the line is longer than 110 columns"})
			}
		}
	}
	return found
}

func TestLongLines(t *testing.T) {
	fits := "// " + strings.Repeat("ü", maxColumns-len("// "))
	enforce(t, longLines,
		mutant{"httpssl/a.go": "package httpssl\n" + fits + "\n" + fits + "x // BAD\n",
			"cmd/a/go.mod":    "module a\n",
			"cmd/a/a_test.go": "package a\n" + fits + "x // BAD\n"},
		mutant{"docs/a.md": fits + "x\n"})
}
