package lint

import (
	"go/ast"
	"path"
	"regexp"
	"strings"
	"testing"
)

// documented returns the files whose exported names a user can read about.
func (t *tree) documented() []*file {
	var kept []*file
	for _, f := range t.core() {
		if !f.isTest() && f.syntax.Name.Name != "main" {
			kept = append(kept, f)
		}
	}
	return kept
}

// docComments: every exported name has a comment that begins with it.
func docComments(t *tree) []finding {
	var found []finding
	files := t.documented()
	public := publicTypes(files)
	for _, f := range files {
		for _, decl := range f.syntax.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if public.has(f, decl) && !startsWith(decl.Doc, decl.Name.Name) {
					found = append(found, t.undocumented(decl.Name))
				}
			case *ast.GenDecl:
				for _, name := range undocumentedNames(decl) {
					found = append(found, t.undocumented(name))
				}
			}
		}
	}
	return found
}

func (t *tree) undocumented(name *ast.Ident) finding {
	return t.at(name.Pos(), "exported %s needs a comment that begins with its name", name.Name)
}

// undocumentedNames returns the exported types, constants and variables of a
// declaration that lack a comment. In a group of constants or variables the
// comment of the group serves them all.
func undocumentedNames(decl *ast.GenDecl) []*ast.Ident {
	var names []*ast.Ident
	grouped := decl.Lparen.IsValid()
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			doc := spec.Doc
			if !grouped {
				doc = decl.Doc
			}
			if spec.Name.IsExported() && !startsWith(doc, spec.Name.Name, "A ", "An ", "The ") {
				names = append(names, spec.Name)
			}
		case *ast.ValueSpec:
			doc := spec.Doc
			if !grouped {
				doc = decl.Doc
			}
			if grouped && decl.Doc.Text() != "" {
				continue
			}
			for _, name := range spec.Names {
				if name.IsExported() && !startsWith(doc, spec.Names[0].Name) {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// startsWith reports whether a comment begins with a name, perhaps after one of the articles.
func startsWith(doc *ast.CommentGroup, name string, articles ...string) bool {
	text := strings.TrimSpace(doc.Text())
	for _, article := range articles {
		if rest, ok := strings.CutPrefix(text, article); ok {
			text = rest
			break
		}
	}
	rest, ok := strings.CutPrefix(text, name)
	return ok && rest != "" && !regexp.MustCompile(`^\w`).MatchString(rest)
}

// types is a set of types that users can meet, by package directory and name.
type types map[[2]string]bool

// publicTypes collects the exported types, and the types whose methods they
// promote by embedding them.
func publicTypes(files []*file) types {
	public := make(types)
	embedded := make(map[[2]string][][2]string)
	for _, f := range files {
		dir := path.Dir(f.path)
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			key := [2]string{dir, spec.Name.Name}
			public[key] = public[key] || spec.Name.IsExported()
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, field := range s.Fields.List {
					if len(field.Names) == 0 {
						embedded[key] = append(embedded[key], [2]string{dir, typeName(field.Type)})
					}
				}
			} else if spec.Assign.IsValid() {
				embedded[key] = append(embedded[key], [2]string{dir, typeName(spec.Type)})
			}
			return true
		})
	}
	for again := true; again; {
		again = false
		for outer, inner := range embedded {
			for _, key := range inner {
				if public[outer] && !public[key] {
					public[key], again = true, true
				}
			}
		}
	}
	return public
}

// has reports whether users can call a function: it is exported, and so is
// the type that it is a method of, or a type that promotes it.
func (public types) has(f *file, fn *ast.FuncDecl) bool {
	if fn.Recv == nil || !fn.Name.IsExported() {
		return fn.Name.IsExported()
	}
	return public[[2]string{path.Dir(f.path), typeName(fn.Recv.List[0].Type)}]
}

// typeName returns the name in T, *T, T[P] and *T[P], or "".
func typeName(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.StarExpr:
		return typeName(x.X)
	case *ast.IndexExpr:
		return typeName(x.X)
	case *ast.IndexListExpr:
		return typeName(x.X)
	}
	return ""
}

func TestDocComments(t *testing.T) {
	enforce(t, docComments,
		mutant{"ssl/a.go": `package ssl
type Conn struct{} // BAD
func Dial() {} // BAD
// Opens it.
func Open() {} // BAD
// Closer is another name.
func (c *Conn) Close() {} // BAD
// Timeout
var Timeout int // BAD
const Max = 1 // BAD
//go:noinline
func Directive() {} // BAD
`},
		mutant{"internal/a/a.go": `package a
type (
	T int // BAD
	// U is documented.
	U int
)
const (
	// A is documented.
	A = 1
	B = 2 // BAD
	c = 3
)
type base[T any] struct{}
// Public embeds base.
type Public struct{ *base[int] }
func (b *base[T]) Promoted() {} // BAD
`},
		mutant{
			"ssl/a.go": `package ssl
// A Conn is a connection.
type Conn struct{}
// Close closes.
func (c *Conn) Close() {}
func (c *Conn) close() {}
// The limits.
const (
	Min = 1
	Max = 2
)
// Low and High are bounds.
var Low, High int
// ErrClosed: the handle is closed.
var ErrClosed error
type heap []int
func (h heap) Len() int { return 0 }
`,
			"ssl/a_test.go":  "package ssl\nfunc TestA() {}\n",
			"cmd/a/main.go":  "package main\nfunc Run() {}\n",
			"store/go.mod":   "module store\n",
			"store/store.go": "package store\nfunc New() {}\n",
		})
}
