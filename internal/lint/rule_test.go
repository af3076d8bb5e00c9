package lint

import (
	"fmt"
	"go/token"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A rule reports the mistakes in a tree.
type rule func(*tree) []finding

// A finding is one broken rule at one place.
type finding struct {
	path string
	line int
	why  string
}

func (f finding) String() string { return fmt.Sprintf("%s:%d: %s", f.path, f.line, f.why) }

// at makes a finding of a position in the syntax of a Go file.
func (t *tree) at(pos token.Pos, format string, args ...any) finding {
	p := t.fset.Position(pos)
	return finding{p.Filename, p.Line, fmt.Sprintf(format, args...)}
}

// moduleTree is the tree of this module.
var moduleTree = sync.OnceValues(func() (*tree, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	texts, err := readTexts(root)
	if err != nil {
		return nil, err
	}
	return newTree(texts)
})

// A mutant is a small tree with one or more mistakes. A line that the rule must report ends in
// "// BAD" or "/* BAD */", which the rule does not see. The rule must report nothing in a
// mutant without such a line.
type mutant map[string]string

// enforce runs a rule over the module and over its mutants.
func enforce(t *testing.T, r rule, mutants ...mutant) {
	t.Helper()
	module, err := moduleTree()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r(module) {
		t.Error(f)
	}
	bad := 0
	for i, m := range mutants {
		texts, want := m.unmark()
		bad += len(want)
		tree, err := newTree(texts)
		if err != nil {
			t.Fatalf("mutant %d: %v", i, err)
		}
		got := make(map[string]string)
		for _, f := range r(tree) {
			got[fmt.Sprintf("%s:%d", f.path, f.line)] = f.why
		}
		for place := range want {
			if _, ok := got[place]; !ok {
				t.Errorf("mutant %d: %s: the rule did not report this line", i, place)
			}
			delete(got, place)
		}
		for _, place := range slices.Sorted(maps.Keys(got)) {
			t.Errorf("mutant %d: %s: reported without reason: %s", i, place, got[place])
		}
	}
	if bad == 0 {
		t.Error("the rule has no mutant: nothing shows that it can fail")
	}
}

// unmark removes the marks, and returns the marked places.
func (m mutant) unmark() (texts map[string]string, bad map[string]bool) {
	texts, bad = make(map[string]string), make(map[string]bool)
	for name, text := range m {
		var clean strings.Builder
		line := 0
		for s := range strings.Lines(text) {
			line++
			for _, mark := range []string{" // BAD\n", " /* BAD */\n"} {
				if cut, ok := strings.CutSuffix(s, mark); ok {
					s = cut + "\n"
					bad[fmt.Sprintf("%s:%d", name, line)] = true
				}
			}
			clean.WriteString(s)
		}
		texts[name] = clean.String()
	}
	return texts, bad
}
