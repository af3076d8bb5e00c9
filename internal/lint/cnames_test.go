package lint

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"strings"
	"testing"
)

var (
	cCallName = regexp.MustCompile(`^(SSL_|PEM_|d2i_|i2d_|sessl_)`)
	cFunction = regexp.MustCompile(`\b(SSL|PEM|d2i|i2d|X509|BIO|CRYPTO|ERR|OpenSSL|OPENSSL)_[A-Za-z0-9_]+`)
)

// cNames: the comment of a wrapper names the OpenSSL function that it wraps,
// so that the manual page is one search away.
func cNames(t *tree) []finding {
	var found []finding
	files := t.documented()
	public := publicTypes(files)
	for _, f := range files {
		if path.Dir(f.path) != "ssl" {
			continue
		}
		for _, decl := range f.syntax.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || !public.has(f, fn) || cFunction.MatchString(fn.Doc.Text()) {
				continue
			}
			if strings.HasSuffix(f.path, "_cgo.go") || callsC(fn) != token.NoPos {
				found = append(found,
					t.at(fn.Name.Pos(), "the comment of %s must name the OpenSSL function that it calls", fn.Name.Name))
			}
		}
	}
	return found
}

// callsC returns where a function calls OpenSSL or the shim itself.
func callsC(fn *ast.FuncDecl) token.Pos {
	pos := token.NoPos
	ast.Inspect(fn, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && isC(sel) && cCallName.MatchString(sel.Sel.Name) {
				pos = sel.Pos()
			}
		}
		return pos == token.NoPos
	})
	return pos
}

func TestCNames(t *testing.T) {
	enforce(t, cNames,
		mutant{"ssl/a_cgo.go": `package ssl
import "C"
type view struct{}
// A Session is a session.
type Session struct{ view }
// ID returns the session id.
func (v view) ID() []byte { return nil } // BAD
// New makes a session.
func New() *Session { return nil } // BAD
func Undocumented() {} // BAD
`},
		mutant{"ssl/a.go": `package ssl
import "C"
// Free frees.
func Free() { // BAD
	if true {
		C.sessl_free()
	}
}
`},
		mutant{
			"ssl/a_cgo.go": `package ssl
import "C"
// ID returns the session id (SSL_SESSION_get_id).
func ID() { C.SSL_SESSION_get_id() }
// Parse wraps d2i_SSL_SESSION.
func Parse() { C.sessl_parse() }
// size has no name to look up.
func size() { C.sessl_size() }
`,
			"ssl/a.go": `package ssl
// Close closes.
func Close() { free() }
`,
			"internal/cshim/a.go": `package cshim
import "C"
// Live counts.
func Live() { C.sessl_live() }
`})
}
