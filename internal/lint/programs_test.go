package lint

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"testing"
)

// maxRecipe is how many lines a recipe has at most.
const maxRecipe = 15

var goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// programs: Go code in a document stands in a Go file of the tree as well, where it is compiled, and tested.
// "..." in a line of its own leaves something out.
func programs(t *tree) []finding {
	var code []string
	for _, f := range t.only(func(f *file) bool { return f.syntax != nil }) {
		code = append(code, dedent(f.text))
	}
	var found []finding
	for _, f := range t.only(func(f *file) bool { return path.Ext(f.path) == ".md" }) {
		for _, m := range goBlock.FindAllStringSubmatchIndex(f.text, -1) {
			block := f.text[m[2]:m[3]]
			line := strings.Count(f.text[:m[2]], "\n")
			if !inOneOf(code, strings.Split(dedent(block), "\n...\n")) {
				found = append(found, finding{f.path, line, "this code is in no Go file of the tree"})
			}
			if n := strings.Count(block, "\n"); path.Base(f.path) == "recipes.md" && n > maxRecipe {
				why := fmt.Sprintf("the recipe has %d lines, more than %d", n, maxRecipe)
				found = append(found, finding{f.path, line, why})
			}
		}
	}
	return found
}

// inOneOf reports whether one text has all parts, in their order.
func inOneOf(texts, parts []string) bool {
	for _, text := range texts {
		ok := true
		for _, part := range parts {
			_, rest, found := strings.Cut(text, "\n"+strings.Trim(part, "\n")+"\n")
			ok, text = ok && found, "\n"+rest
		}
		if ok {
			return true
		}
	}
	return false
}

// dedent takes the tabs from the beginning of all lines: code is indented where it is in a function.
func dedent(text string) string {
	return "\n" + regexp.MustCompile(`(?m)^\t+`).ReplaceAllString(text, "")
}

func TestPrograms(t *testing.T) {
	const code = "package a\n\nfunc f() {\n\tif a {\n\t\tb()\n\t}\n\tc()\n}\n"
	enforce(t, programs,
		mutant{"ssl/a.go": code, "docs/a.md": "```go // BAD\nb(1)\n```\n"},
		mutant{"ssl/a.go": code, "docs/a.md": "a\n```go\nif a {\n\tb()\n}\n...\n}\n```\n\n```go\nb()\n```\n" +
			"```\nany\n```\n"},
		mutant{"ssl/a.go": code, "docs/recipes.md": "```go // BAD\n" + strings.Repeat("b()\n", 16) + "```\n"})
}
