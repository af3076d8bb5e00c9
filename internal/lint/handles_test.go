package lint

import (
	"go/ast"
	"testing"
)

// finalizers: one file registers the cleanups of the collector, so that one file shows what
// frees a handle.
func finalizers(t *tree) []finding {
	var found []finding
	for _, f := range t.core() {
		if f.path == "ssl/finalizer.go" {
			continue
		}
		for _, pos := range uses(f.syntax, "runtime", "AddCleanup", "SetFinalizer") {
			found = append(found,
				t.at(pos, "a cleanup is registered outside ssl/finalizer.go: use the handle made there"))
		}
	}
	return found
}

func TestFinalizers(t *testing.T) {
	enforce(t, finalizers,
		mutant{"ssl/conn.go": `package ssl
import "runtime"
func f(p *int) {
	runtime.SetFinalizer(p, nil) // BAD
	runtime.KeepAlive(p)
}
`},
		mutant{"ssl/conn_test.go": `package ssl
import rt "runtime"
var add = rt.AddCleanup[int, int] // BAD
`},
		mutant{"internal/a/a.go": `package a
import . "runtime" // BAD
`},
		mutant{
			"ssl/finalizer.go": `package ssl
import "runtime"
func f(p *int) { runtime.AddCleanup(p, func(int) {}, 0) }
`,
			"cmd/x/go.mod": "module x\n",
			"cmd/x/main.go": `package main
import "runtime"
func f(p *int) { runtime.AddCleanup(p, func(int) {}, 0) }
`})
}

const sessionFree = "SSL_SESSION_free"

// A place is a function that frees sessions.
type place struct {
	finding
	function string
}

// oneSessionFree: one function in Go, and one in C, drops references, so that a wrong count has
// few possible causes.
func oneSessionFree(t *tree) []finding {
	var inGo, inC []place
	for _, f := range t.core() {
		for _, decl := range f.syntax.Decls {
			function := f.path + " " + fileScope
			if fn, ok := decl.(*ast.FuncDecl); ok {
				function = f.path + " " + fn.Name.Name
			}
			ast.Inspect(decl, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok && isC(sel) && sel.Sel.Name == sessionFree {
					inGo = append(inGo, place{t.at(sel.Pos(), ""), function})
				}
				return true
			})
		}
	}
	for _, f := range t.only(func(f *file) bool { return f.isC() && !f.nested }) {
		for _, m := range cMentions(f.text, sessionFree) {
			inC = append(inC, place{finding{f.path, m.line, ""}, f.path + " " + m.function})
		}
	}
	for _, f := range t.core() {
		for _, l := range t.preamble(f) {
			if cDirective.MatchString(l.text) {
				continue
			}
			for range cMentions(l.text, sessionFree) {
				inC = append(inC, place{finding{f.path, l.line, ""}, f.path + " preamble"})
			}
		}
	}
	if len(inGo)+len(inC) == 0 {
		return t.freedUnseen()
	}
	return append(besidesFirst(inGo), besidesFirst(inC)...)
}

// freedUnseen reports a tree that takes references to sessions and drops them in a way that the
// rule does not recognize.
func (t *tree) freedUnseen() []finding {
	for _, f := range t.only((*file).isC) {
		if taken := cMentions(f.text, "SSL_SESSION_up_ref"); len(taken) > 0 {
			return []finding{{f.path, taken[0].line,
				"a reference is taken here, and nothing in the tree calls " + sessionFree}}
		}
	}
	return nil
}

// besidesFirst reports the places in other functions than the first place.
func besidesFirst(places []place) []finding {
	var found []finding
	for _, p := range places {
		if first := places[0]; p.function != first.function {
			p.why = sessionFree + " stands in a second function: call the one in " + first.function
			found = append(found, p.finding)
		}
	}
	return found
}

// isC reports whether a selector is C.something.
func isC(sel *ast.SelectorExpr) bool {
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == "C"
}

func TestOneSessionFree(t *testing.T) {
	enforce(t, oneSessionFree,
		mutant{"ssl/a_cgo.go": `package ssl
import "C"
func release(p *C.SSL_SESSION) {
	C.SSL_SESSION_free(p)
	C.SSL_SESSION_free(p)
}
func (s *Session) Close() { C.SSL_SESSION_free(s.p) } // BAD
`},
		mutant{
			"ssl/a_cgo.go": `package ssl
import "C"
func release(p *C.SSL_SESSION) { C.SSL_SESSION_free(p) }
`,
			"ssl/b_cgo.go": `package ssl
import "C"
func release(p *C.SSL_SESSION) {
	// C.SSL_SESSION_free(p)
	C.sessl_release(p, C.SSL_SESSION_free) // BAD
}
`},
		mutant{
			"internal/cshim/cshim.h": `void sessl_release(SSL_SESSION *s); /* the only SSL_SESSION_free( here */
`,
			"internal/cshim/ctx.c": `static void
drain(void)
{
	SSL_SESSION_free(s);
	log("SSL_SESSION_free(%p)", s);
}
`,
			"internal/cshim/session.c": `void sessl_release(SSL_SESSION *s)
{
	SSL_SESSION_free(s); /* BAD */
}
#define DROP SSL_SESSION_free /* BAD */
`},
		mutant{"internal/cshim/a.c": "void f(SSL_SESSION *s)\n{\n\tSSL_SESSION_up_ref(s); // BAD\n}\n"},
		mutant{
			"internal/cshim/a.c": "void f(SSL_SESSION *s)\n{\n\tSSL_SESSION_free(s);\n}\n",
			"ssl/a_cgo.go": `package ssl
/*
#cgo noescape SSL_SESSION_free
// SSL_SESSION_free
static void g(SSL_SESSION *s) { SSL_SESSION_free(s); } // BAD
*/
import "C"
`})
}
