package lint

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// Rooms of the upper floor of package ssl: the first words of its files. All other files are
// the lower floor, which can be read and tested without a connection.
var upperRooms = []string{"config", "conn", "ctx", "transport"}

// upperTypes are the types that the lower floor must not name.
var upperTypes = []string{"Config", "Ctx", "Conn"}

func floors(t *tree) []finding {
	var found []finding
	for _, f := range t.core() {
		if path.Dir(f.path) != "ssl" || f.isTest() || slices.Contains(upperRooms, room(f.path)) {
			continue
		}
		elsewhere := otherNames(f.syntax)
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && slices.Contains(upperTypes, id.Name) && !elsewhere[id] {
				found = append(found, t.at(id.Pos(), "the lower floor names %s, which stands on the upper one", id.Name))
			}
			return true
		})
	}
	return found
}

// room returns the first word of a file's name.
func room(file string) string {
	word, _, _ := strings.Cut(strings.TrimSuffix(path.Base(file), ".go"), "_")
	return word
}

// otherNames returns the identifiers that are not types of the package: fields, and names of
// other packages.
func otherNames(f *ast.File) map[*ast.Ident]bool {
	names := make(map[*ast.Ident]bool)
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			names[n.Sel] = true
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok {
				names[key] = true
			}
		case *ast.StructType:
			for _, field := range n.Fields.List {
				for _, name := range field.Names {
					names[name] = true
				}
			}
		}
		return true
	})
	return names
}

func TestFloors(t *testing.T) {
	enforce(t, floors,
		mutant{"ssl/session_age.go": "package ssl\nfunc age(c *Conn) {} // BAD\n"},
		mutant{"ssl/store.go": "package ssl\ntype s struct{\n\towner *Ctx // BAD\n}\n"},
		mutant{"ssl/roots.go": "package ssl\nfunc f() {\n\t_ = Config{} // BAD\n}\n"},
		mutant{
			"ssl/conn_age.go":         "package ssl\nfunc age(c *Conn) {}\n",
			"ssl/hello.go":            "package ssl\nimport \"net\"\ntype h struct{ Conn net.Conn }\n",
			"ssl/clientcache.go":      "package ssl\ntype k struct{ Config int }\nvar _ = k{Config: 1}.Config\n",
			"ssl/session_age_test.go": "package ssl\nfunc age(c *Conn) {}\n",
			"httpssl/conn.go":         "package httpssl\ntype Conn int\nfunc f(Conn) {}\n",
		})
}
