package lint

import (
	"go/ast"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// skips: a skipped test says why.
func skips(t *tree) []finding {
	var found []finding
	for _, f := range t.core() {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && f.isTest() && skipsInSilence(sel.Sel.Name, call.Args) {
				found = append(found, t.at(sel.Sel.Pos(), "a test is skipped without a reason: say what is missing"))
			}
			return true
		})
	}
	return found
}

func skipsInSilence(method string, args []ast.Expr) bool {
	switch method {
	case "SkipNow":
		return true
	case "Skip", "Skipf":
		if len(args) == 0 {
			return true
		}
		lit, ok := args[0].(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return false
		}
		text, err := strconv.Unquote(lit.Value)
		return err == nil && strings.TrimSpace(text) == ""
	}
	return false
}

func TestSkips(t *testing.T) {
	enforce(t, skips,
		mutant{"ssl/a_test.go": `package ssl
func TestA(t *testing.T) {
	t.Skip() // BAD
	t.Skip("") // BAD
	t.Skipf(" ") // BAD
	t.SkipNow() // BAD
	t.Skip("OpenSSL 3.0 is needed")
	t.Skipf("OpenSSL %s is needed", v)
	t.Skip(err)
	s.Skip(2)
}
`},
		mutant{"valkeystore/go.mod": "module v\n", "valkeystore/a_test.go": "package v\nfunc f() { t.Skip() }\n"})
}

// sleeps: a test waits for an event, because a time that is long enough here is too short on a
// busy machine. In a bubble of testing/synctest a sleep takes no time.
func sleeps(t *tree) []finding {
	var found []finding
	for _, f := range t.core() {
		if f.isTest() && len(uses(f.syntax, "testing/synctest", "Test")) == 0 {
			for _, pos := range uses(f.syntax, "time", "Sleep") {
				found = append(found, t.at(pos, "time.Sleep in a test: wait for the event itself"))
			}
		}
	}
	return found
}

func TestSleeps(t *testing.T) {
	enforce(t, sleeps,
		mutant{"ssl/a_test.go": "package ssl\nimport \"time\"\nfunc f() {\n\ttime.Sleep(1) // BAD\n}\n"},
		mutant{"ssl/a_test.go": "package ssl\nimport clock \"time\"\nvar wait = clock.Sleep // BAD\n"},
		mutant{
			"ssl/b_test.go": "package ssl\nimport (\n\"testing/synctest\"\n\"time\"\n)\nfunc f() { " +
				"synctest.Test(nil, nil); time.Sleep(1) }\n",
			"ssl/a.go":      "package ssl\nimport \"time\"\nfunc f() { time.Sleep(1) }\n",
			"ssl/a_test.go": "package ssl\nimport \"time\"\n// time.Sleep(1)\nvar d = time.Second\n",
		})
}
