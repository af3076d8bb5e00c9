package lint

import (
	"go/ast"
	"path"
	"regexp"
	"strings"
	"testing"
)

const privateHeader = "private.h"

var (
	cHeading     = regexp.MustCompile(`^/\* ---- (\w+\.c)(: .*)? ---- \*/$`)
	cDeclaration = regexp.MustCompile(`^[A-Za-z_][\w ]*[ *](sessl_\w+)\(`)
)

// A declared function is one line of a header, and the file whose heading it stands under.
type declared struct {
	name, home string
	line       int
}

// declarations finds the functions that a header declares.
func declarations(f *file) []declared {
	var found []declared
	home, n := "", 0
	code := strings.Split(cCode(f.text), "\n")
	for line := range strings.Lines(f.text) {
		n++
		if m := cHeading.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			home = m[1]
		}
		if m := cDeclaration.FindStringSubmatch(code[n-1]); m != nil && !strings.HasPrefix(line, "typedef") {
			found = append(found, declared{m[1], home, n})
		}
	}
	return found
}

// cDefinitions finds which C file of internal/cshim has each function.
func (t *tree) cDefinitions() map[string]string {
	home := make(map[string]string)
	for _, f := range t.only(func(f *file) bool {
		return path.Dir(f.path) == "internal/cshim" && path.Ext(f.path) == ".c"
	}) {
		for line := range strings.Lines(cCode(f.text)) {
			m := cDeclaration.FindStringSubmatch(line)
			if m != nil && !strings.HasPrefix(line, "static ") && !strings.HasSuffix(strings.TrimSpace(line), ";") {
				home[m[1]] = path.Base(f.path)
			}
		}
	}
	return home
}

// namesInC are the names of C that Go code uses.
func (t *tree) namesInC() map[string]bool {
	names := make(map[string]bool)
	for _, f := range t.core() {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && isC(sel) {
				names[sel.Sel.Name] = true
			}
			return true
		})
	}
	return names
}

// rooms: each header is a room of C files. A function stands under the heading of the file that
// has it; and what only C calls is in private.h, which Go does not include.
func rooms(t *tree) []finding {
	var found []finding
	defined, used := t.cDefinitions(), t.namesInC()
	room := make(map[string]string) // of each file: the header that Go sees
	for _, f := range t.only(func(f *file) bool {
		return path.Dir(f.path) == "internal/cshim" && path.Ext(f.path) == ".h"
	}) {
		name := path.Base(f.path)
		for _, d := range declarations(f) {
			bad := func(why string) { found = append(found, finding{f.path, d.line, d.name + " " + why}) }
			switch {
			case defined[d.name] != d.home:
				bad("does not stand under the heading of the file that has it: /* ---- file.c: ... ---- */")
			case used[d.name] && name == privateHeader:
				bad("is called by Go: its place is the header of its room")
			case !used[d.name] && name != privateHeader:
				bad("is called by C only: its place is " + privateHeader)
			case name != privateHeader && room[d.home] != "" && room[d.home] != name:
				bad("stands in a second room of its file: the first is " + room[d.home])
			}
			if name != privateHeader && room[d.home] == "" {
				room[d.home] = name
			}
		}
	}
	for _, f := range t.core() {
		_, group := importC(f.syntax)
		if group == nil {
			continue
		}
		for _, c := range group.List {
			for i, line := range strings.Split(c.Text, "\n") {
				if strings.Contains(line, `#include "`+privateHeader+`"`) {
					found = append(found,
						finding{f.path, t.fset.Position(c.Pos()).Line + i, privateHeader + " is for C alone"})
				}
			}
		}
	}
	return found
}

func TestRooms(t *testing.T) {
	const use = "package ssl\nimport \"C\"\nfunc f() { C.sessl_a(); C.sessl_b() }\n"
	const room = "/* ---- a.c: what it is about ---- */\n"
	enforce(t, rooms,
		mutant{
			"ssl/a_cgo.go":       use,
			"internal/cshim/a.c": "int sessl_a(void)\n{\n    return 1;\n}\n",
			"internal/cshim/a.h": "int sessl_a(void); /* BAD */\n" + room +
				"void sessl_b(int (*f)(void)); /* BAD */\n",
			"internal/cshim/b.c": "/* sessl_a( */\nvoid sessl_b(int (*f)(void))\n{\n    f();\n}\n",
		},
		mutant{
			"ssl/a_cgo.go": use,
			"internal/cshim/a.c": "int sessl_a(void)\n{\n    return 1;\n}\nvoid *sessl_c(int a,\n        " +
				"      int b)\n{\n    return 0;\n}\n",
			"internal/cshim/a.h":       room + "void *sessl_c(int a, int b); /* BAD */\n",
			"internal/cshim/private.h": room + "int sessl_a(void); /* BAD */\n",
		},
		mutant{
			"ssl/a_cgo.go":       use,
			"internal/cshim/a.c": "int sessl_a(void)\n{\n    return 1;\n}\nint sessl_b(void)\n{\n    return 1;\n}\n",
			"internal/cshim/a.h": room + "int sessl_a(void);\n",
			"internal/cshim/b.h": room + "int sessl_b(void); /* BAD */\n",
		},
		mutant{"ssl/a_cgo.go": "package ssl\n\n// #include \"private.h\" // BAD\nimport \"C\"\n"},
		mutant{
			"ssl/a_cgo.go": "package ssl\n\n// #include \"a.h\"\nimport \"C\"\nfunc f() { C.sessl_a() }\n",
			"internal/cshim/a.c": "int sessl_a(void)\n{\n    return 1;\n}\nstatic int sessl_b(void)\n{\n " +
				"   return 1;\n}\nvoid *sessl_c(int a)\n{\n    return 0;\n}\n",
			"internal/cshim/a.h":       "typedef int (*sessl_f)(int);\n" + room + "int sessl_a(void);\n",
			"internal/cshim/private.h": room + "void *sessl_c(int a);\n",
		})
}
