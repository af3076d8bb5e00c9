package lint

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// cNoise matches what is not code in C: comments, and the literals in which
// something may look like a comment or a call.
var cNoise = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'`)

// cCode blanks comments and literals, and keeps the lines where they are.
func cCode(text string) string {
	return cNoise.ReplaceAllStringFunc(text, func(s string) string {
		return " " + strings.Repeat("\n", strings.Count(s, "\n"))
	})
}

var (
	// cHead matches the line with the name of a function, but no pointer to a function.
	cHead = regexp.MustCompile(`^(?:[A-Za-z_][^=;]*?\b)?([A-Za-z_]\w*)\s*\((?:[^*\s]|$)`)
	// cTop matches any other line outside functions, but no label.
	cTop = regexp.MustCompile(`^[A-Za-z_]\w*[^\w:]`)
	// cAttribute matches attributes, which look like a function's name.
	cAttribute = regexp.MustCompile(`__attribute__\s*\(\(.*?\)\)\s*`)
)

const fileScope = "file scope"

// A cMention is one use of a name in C, with the function that contains it.
type cMention struct {
	line     int
	function string
}

// cMentions finds the uses of a name. It recognizes functions by the style of the project: the
// line with a function's name starts in the first column, and so does its last brace, and
// nothing between them does. Unlike counting braces, this works with #if and #else around
// heads. A declaration is not a use.
func cMentions(text, name string) []cMention {
	word := regexp.MustCompile(`\b` + name + `\b`)
	var found []cMention
	function := fileScope
	for i, line := range strings.Split(cCode(text), "\n") {
		line = cAttribute.ReplaceAllString(line, "")
		in := function
		head := cHead.FindStringSubmatchIndex(line)
		switch {
		case strings.HasPrefix(line, "#"):
			in = fileScope
		case head != nil:
			in = line[head[2]:head[3]]
			if in == name {
				line = line[head[3]:]
			}
			function = in
			if end := strings.TrimSpace(line); strings.HasSuffix(end, ";") || strings.HasSuffix(end, "}") {
				function = fileScope
			}
		case strings.HasPrefix(line, "}"):
			function = fileScope
		case cTop.MatchString(line):
			in = fileScope
		}
		for range word.FindAllString(line, -1) {
			found = append(found, cMention{i + 1, in})
		}
	}
	return found
}

func TestCMentions(t *testing.T) {
	const text = `/* drop( in a comment */
void drop(T *t);
#define DROP(t) drop(t)
static void (*by)(T *) = drop;
static int
first(T *t)
{
	if (!t) {
		puts("drop(t)"); // drop(t)
	}
	drop(t);
out:
	drop(t);
}

#if NEW
int second(T *t) {
#else
int second(const T *t) {
#endif
	drop(t);
}
__attribute__((unused)) static void third(T *t) { drop(t); }
static struct table t = {
	drop,
};
`
	want := []cMention{{3, fileScope}, {4, fileScope}, {11, "first"}, {13, "first"}, {21, "second"},
		{23, "third"}, {25, fileScope}}
	got := cMentions(text, "drop")
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("mention %d: got %v, want %v", i, got[i], want[i])
		}
	}
}

// importC returns the import of "C" in a Go file, and the C text above it.
func importC(f *ast.File) (*ast.ImportSpec, *ast.CommentGroup) {
	for _, decl := range f.Decls {
		imports, ok := decl.(*ast.GenDecl)
		if !ok || imports.Tok != token.IMPORT {
			continue
		}
		for _, spec := range imports.Specs {
			spec := spec.(*ast.ImportSpec)
			if spec.Path.Value != `"C"` {
				continue
			}
			if spec.Doc == nil && len(imports.Specs) == 1 {
				return spec, imports.Doc
			}
			return spec, spec.Doc
		}
	}
	return nil, nil
}

// A cLine is one line of C in a preamble, and its line in the Go file.
type cLine struct {
	text string
	line int
}

// preamble returns the C code above import "C", its own comments left out.
func (t *tree) preamble(f *file) []cLine {
	_, group := importC(f.syntax)
	if group == nil {
		return nil
	}
	var lines []cLine
	for _, c := range group.List {
		body := strings.TrimSuffix(c.Text[2:], "*/")
		if c.Text[1] == '/' {
			body = c.Text[2:]
		}
		for i, text := range strings.Split(body, "\n") {
			lines = append(lines, cLine{text, t.fset.Position(c.Pos()).Line + i})
		}
	}
	var all strings.Builder
	for _, l := range lines {
		all.WriteString(l.text + "\n")
	}
	for i, text := range strings.Split(strings.TrimSuffix(cCode(all.String()), "\n"), "\n") {
		lines[i].text = strings.TrimSpace(text)
	}
	return lines
}

// uses returns the places where a Go file names a function of a package, called or not, under
// any name of the package. A dot import is a use.
func uses(f *ast.File, pkg string, names ...string) []token.Pos {
	var found []token.Pos
	var locals []string
	for _, spec := range f.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		switch {
		case imported != pkg:
		case spec.Name == nil:
			locals = append(locals, path.Base(pkg))
		case spec.Name.Name == ".":
			found = append(found, spec.Pos())
		default:
			locals = append(locals, spec.Name.Name)
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && slices.Contains(names, sel.Sel.Name) {
			if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(locals, x.Name) {
				found = append(found, sel.Pos())
			}
		}
		return true
	})
	return found
}
