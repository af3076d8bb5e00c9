package lint

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var codeSpan = regexp.MustCompile("`([^`]+)`")

// architecture: what ARCHITECTURE.md names in code spans is there: files, rooms, and what is declared in
// Go or in C. In a row of a table that names single files, all it names is declared in these.
func architecture(t *tree) []finding {
	var found []finding
	for _, f := range t.only(func(f *file) bool { return f.path == "ARCHITECTURE.md" }) {
		n := 0
		for line := range strings.Lines(f.text) {
			n++
			found = append(found, t.namesIn(finding{path: f.path, line: n}, line)...)
		}
	}
	return found
}

var treePath = regexp.MustCompile(`^(ssl|internal|docs|scripts)/[\w/.-]+$`)

// recipes: the files that CONTRIBUTING.md names in code spans are there.
func recipes(t *tree) []finding {
	var found []finding
	for _, f := range t.only(func(f *file) bool { return f.path == "CONTRIBUTING.md" }) {
		n := 0
		for line := range strings.Lines(f.text) {
			n++
			for _, m := range codeSpan.FindAllStringSubmatch(line, -1) {
				if treePath.MatchString(m[1]) && t.named(m[1]) == nil {
					found = append(found, finding{f.path, n, "no such file: " + m[1]})
				}
			}
		}
	}
	return found
}

// namesIn returns at, with a reason, for each name in a line that is not in the tree.
func (t *tree) namesIn(at finding, line string) (found []finding) {
	var files []*file
	var names []string
	for _, m := range codeSpan.FindAllStringSubmatch(line, -1) {
		switch in := t.named(m[1]); {
		case len(in) == 1 && in[0].path == m[1]:
			files = append(files, in...)
		case in != nil:
		case strings.Contains(m[1], "/") || path.Ext(m[1]) == ".md":
			at.why = "no such file: " + m[1]
			found = append(found, at)
		default:
			names = append(names, m[1])
		}
	}
	if !strings.HasPrefix(line, "|") || len(files) == 0 {
		files = t.files
	}
	for _, name := range names {
		if !slices.ContainsFunc(files, func(f *file) bool { return f.declares(name) }) {
			at.why = "nothing of this name is declared here: " + name
			found = append(found, at)
		}
	}
	return found
}

// named returns the files of a path, of a directory, or of a room of package ssl; nil if there are none.
func (t *tree) named(name string) []*file {
	return t.only(func(f *file) bool {
		rest, ok := strings.CutPrefix(f.path, "ssl/"+strings.TrimSuffix(name, "_"))
		return f.path == name || f.under(name) || ok && rest != "" && (rest[0] == '_' || rest[0] == '.')
	})
}

// declares reports whether a file declares a name of C, or of Go, where a method and a field may follow
// its type and a dot.
func (f *file) declares(name string) bool {
	if f.isC() {
		return strings.Contains(f.text, name+"(") &&
			regexp.MustCompile(`(?m)^\w.*\b`+regexp.QuoteMeta(name)+`\(`).MatchString(f.text)
	}
	return f.syntax != nil && !f.isTest() && slices.ContainsFunc(f.syntax.Decls, func(d ast.Decl) bool {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				return d.Name.Name == name
			}
			return typeName(d.Recv.List[0].Type)+"."+d.Name.Name == name
		case *ast.GenDecl:
			return slices.ContainsFunc(d.Specs, func(s ast.Spec) bool { return specDeclares(s, name) })
		}
		return false
	})
}

func specDeclares(s ast.Spec, name string) (is bool) {
	switch s := s.(type) {
	case *ast.ValueSpec:
		return slices.ContainsFunc(s.Names, func(id *ast.Ident) bool { return id.Name == name })
	case *ast.TypeSpec:
		is = s.Name.Name == name
		ast.Inspect(s.Type, func(n ast.Node) bool {
			if field, ok := n.(*ast.Field); ok {
				is = is || slices.ContainsFunc(field.Names, func(id *ast.Ident) bool {
					return id.Name == name || s.Name.Name+"."+id.Name == name
				})
			}
			return !is
		})
	}
	return is
}

func TestArchitecture(t *testing.T) {
	enforce(t, architecture, mutant{
		"ARCHITECTURE.md": "`ssl/a_cgo.go`, `a_`, `a`, `ssl` and `CONTRIBUTING.md`; `T`, `T.Do`, `mu`, " +
			"`T.mu`, `go_on`, `Max`, `f`, `free`\n" +
			"`ssl/gone.go` // BAD\n" +
			"`b_` // BAD\n" +
			"`T.Gone` // BAD\n" +
			"`Do` // BAD\n" +
			"`call` // BAD\n" +
			"| where | `ssl/a_cgo.go` | `T.Do` |\n" +
			"| where | `ssl/c.go`, `shim/a.c` | `f`, `go_on` |\n" +
			"| where | `ssl/c.go` | `T.Do` | // BAD\n" +
			"| room `a_` | `Max`, `T` |\n" +
			"| where | `GONE.md` | // BAD\n",
		"CONTRIBUTING.md": "`Anything`\n",
		"ssl/a_cgo.go":    "package ssl\ntype T[P any] struct {\n\tmu int\n}\nfunc (t *T[P]) Do() { call() }\n",
		"ssl/c.go":        "package ssl\nconst Max = 1\nfunc f() {}\n",
		"ssl/c_test.go":   "package ssl\nfunc call() {}\n",
		"shim/a.c":        "int go_on(void)\n{\n    call();\n}\nvoid free(void)\n{\n}\n",
	})
	module, err := moduleTree()
	if err != nil {
		t.Fatal(err)
	}
	if len(module.named("ARCHITECTURE.md")) != 1 {
		t.Error("there is no ARCHITECTURE.md")
	}
}

func TestRecipes(t *testing.T) {
	enforce(t, recipes, mutant{
		"CONTRIBUTING.md": "`ssl/a.go`, `ssl`, `go test ./ssl/gone`, `gone.go`\n`ssl/gone.go` // " +
			"BAD\n`docs/gone` // BAD\n",
		"ssl/a.go": "package ssl\n",
	})
}
