package surface

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/surface.md anew")

const (
	root    = "../.."
	symbols = root + "/docs/session-symbols.tsv"
	table   = root + "/docs/surface.md"
)

// aliases are other names of functions that are called: a macro, or the general function behind
// one.
var aliases = map[string]string{
	"SSL_get_session":         "SSL_get0_session",
	"SSL_SESSION_set_ex_data": "CRYPTO_set_ex_data",
}

// core are the symbols without which the package would make no sense.
var core = regexp.MustCompile(`^(SSL_SESSION_|d2i_SSL_SESSION|i2d_SSL_SESSION|PEM_|` +
	`SSL_get0_session$|SSL_get1_session$|SSL_get_session$|SSL_set_session$|SSL_session_reused$)`)

type symbol struct{ name, since, verdict, why string }

func readSymbols(t *testing.T) []symbol {
	t.Helper()
	data, err := os.ReadFile(symbols)
	if err != nil {
		t.Fatal(err)
	}
	var out []symbol
	for i, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		f := append(strings.Split(line, "\t"), "", "")
		if i > 0 {
			out = append(out, symbol{f[0], f[1], f[2], f[3]})
		}
	}
	return out
}

// documented maps each C name in a doc comment of package ssl to the Go names it is in.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(root + "/ssl/*.go")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			collect(out, d)
		}
	}
	return out
}

var cName = regexp.MustCompile(`\b(?:SSL|PEM|d2i|i2d)_[A-Za-z0-9_]+`)

func collect(out map[string][]string, d ast.Decl) {
	add := func(goName string, doc *ast.CommentGroup) {
		if doc == nil || !ast.IsExported(goName[strings.LastIndex(goName, ".")+1:]) {
			return
		}
		for _, c := range cName.FindAllString(strings.ReplaceAll(doc.Text(), "\n", " "), -1) {
			if !slices.Contains(out[c], goName) {
				out[c] = append(out[c], goName)
			}
		}
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			recv := d.Recv.List[0].Type
			if p, ok := recv.(*ast.StarExpr); ok {
				recv = p.X
			}
			id, ok := recv.(*ast.Ident)
			if !ok || !id.IsExported() || id.Name == "BorrowedSession" {
				return // its getters are those of Session
			}
			name = id.Name + "." + name
		}
		add(name, d.Doc)
	case *ast.GenDecl:
		for _, s := range d.Specs {
			ts, ok := s.(*ast.TypeSpec)
			if !ok {
				continue
			}
			add(ts.Name.Name, d.Doc)
			if st, ok := ts.Type.(*ast.StructType); ok {
				for _, f := range st.Fields.List {
					for _, n := range f.Names {
						add(ts.Name.Name+"."+n.Name, f.Doc)
						add(ts.Name.Name+"."+n.Name, f.Comment)
					}
				}
			}
		}
	}
}

// called returns the text of all our sources without comments. Each symbol must be called
// there.
func called(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range []string{"/ssl/*_cgo.go", "/internal/cshim/*.c"} {
		files, err := filepath.Glob(root + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.WriteString(comments.ReplaceAllString(string(data), " "))
		}
	}
	return all.String()
}

var comments = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*`)

func reached(s symbol, docs map[string][]string, code string) []string {
	name := s.name
	if a, ok := aliases[name]; ok {
		name = a
	}
	if !regexp.MustCompile(`\b` + name + `\b`).MatchString(code) {
		return nil
	}
	return docs[s.name]
}

func render(syms []symbol, docs map[string][]string, code string) string {
	n, of := 0, 0
	var rows strings.Builder
	for _, s := range syms {
		api := strings.Join(reached(s, docs, code), ", ")
		switch {
		case s.verdict != "reach":
			api = "left out: " + s.why
		case api == "":
			of++
			api = "not yet"
		default:
			n++
			of++
		}
		fmt.Fprintf(&rows, "| `%s` | %s | %s |\n", s.name, s.since, api)
	}
	return fmt.Sprintf("# libssl's session symbols and the Go API\n\n"+
		"Generated from the doc comments of package ssl by `go test ./internal/surface -update`;\n"+
		"the same test fails when this table is not true. A symbol counts as reached when our code\n"+
		"calls it and an exported name's documentation says so.\n\n"+
		"**%d of %d** symbols that the API should reach are reached.\n\n"+
		"| symbol | since | Go |\n|---|---|---|\n%s", n, of, rows.String())
}

func TestTableIsTrue(t *testing.T) {
	want := render(readSymbols(t), documented(t), called(t))
	if *update {
		if err := os.WriteFile(table, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the sources say; run go test ./internal/surface -update", table)
	}
}

func TestCoreIsReached(t *testing.T) {
	docs, code := documented(t), called(t)
	for _, s := range readSymbols(t) {
		if s.verdict == "reach" && core.MatchString(s.name) && len(reached(s, docs, code)) == 0 {
			t.Errorf("%s is not reached: not called, or no exported name's documentation says so", s.name)
		}
	}
}
