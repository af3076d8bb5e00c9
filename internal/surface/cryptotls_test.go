package surface

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The document is for the versions of Go up to this one.
const newestGo = "go1.26.txt"

var (
	// apiLine is a line of Go's list of exported names: a function, a type or its member.
	apiLine = regexp.MustCompile(`^pkg crypto/tls, (?:func (\w+)|method \(\*?(\w+)\) (\w+)|` +
		`type (\w+) (?:struct|interface), (\w+)|type (\w+))`)
	inBackticks = regexp.MustCompile("`([A-Za-z0-9_.]+)`")
	rowOfTable  = regexp.MustCompile(`(?m)^\| (.*?) \| (.*?) \| (.*) \|$`)
)

// leftToItsType are types of crypto/tls whose members the row of the type is about, and methods that
// print or unwrap.
var leftToItsType = regexp.MustCompile(`^(CipherSuite|EncryptedClientHelloKey|ECHRejectionError)\.|` +
	`\.(Error|String|Unwrap)$|QUIC`)

// namesOfCryptoTLS are the exported names, members as Type.Member, in Go's own lists.
func namesOfCryptoTLS(t *testing.T) []string {
	t.Helper()
	where, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	lists, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(where)), "api", "go1*.txt"))
	if err != nil || !slices.ContainsFunc(lists, func(l string) bool { return filepath.Base(l) == newestGo }) {
		t.Skipf("Go is installed without %s: %v", newestGo, err)
	}
	var out []string
	for _, list := range lists {
		if later(filepath.Base(list)) {
			continue
		}
		text, err := os.ReadFile(list)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if m := apiLine.FindStringSubmatch(line); m != nil {
				name := strings.Trim(m[1]+m[2]+"."+m[3]+m[4]+"."+m[5]+m[6], ".")
				out = append(out, strings.ReplaceAll(name, "..", "."))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// later reports whether a list is of a later Go than the document.
func later(list string) bool {
	return len(list) > len(newestGo) || len(list) == len(newestGo) && list > newestGo
}

// Each exported name of crypto/tls has its place in a table for those who come from there.
func TestCryptoTLSIsCovered(t *testing.T) {
	have := map[string]bool{}
	for _, row := range rowOfTable.FindAllStringSubmatch(readFile(t, "docs/from-crypto-tls.md"), -1) {
		for _, name := range inBackticks.FindAllStringSubmatch(row[1], -1) {
			have[name[1]] = true
		}
	}
	names := namesOfCryptoTLS(t)
	for _, name := range names {
		if !have[name] && !leftToItsType.MatchString(name) {
			t.Errorf("docs/from-crypto-tls.md has no row for %s", name)
		}
	}
	for name := range have {
		if !slices.Contains(names, name) && !strings.HasPrefix(name, "QUIC") {
			t.Errorf("docs/from-crypto-tls.md has a row for %s, which crypto/tls does not have", name)
		}
	}
}

// What the tables name in this module exists.
func TestCryptoTLSLeadsSomewhere(t *testing.T) {
	have := exportedBySSL(t)
	for _, row := range rowOfTable.FindAllStringSubmatch(readFile(t, "docs/from-crypto-tls.md"), -1) {
		for _, name := range inBackticks.FindAllStringSubmatch(row[2], -1) {
			if !have[strings.TrimPrefix(name[1], "ssl.")] {
				t.Errorf("package ssl does not have %s, in the row of %s", name[1], row[1])
			}
		}
	}
}

// exportedBySSL has the exported names of package ssl, members as Type.Member.
func exportedBySSL(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(root + "/ssl/*.go")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name.Name != "ssl" {
			continue
		}
		for _, d := range f.Decls {
			addExported(out, d)
		}
	}
	return out
}

func addExported(out map[string]bool, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			name = receiver(d) + "." + name
		}
		out[name] = true
	case *ast.GenDecl:
		for _, s := range d.Specs {
			ts, ok := s.(*ast.TypeSpec)
			if !ok {
				continue
			}
			out[ts.Name.Name] = true
			if st, ok := ts.Type.(*ast.StructType); ok {
				for _, f := range st.Fields.List {
					for _, n := range f.Names {
						out[ts.Name.Name+"."+n.Name] = true
					}
				}
			}
		}
	}
}

func receiver(d *ast.FuncDecl) string {
	x := d.Recv.List[0].Type
	if p, ok := x.(*ast.StarExpr); ok {
		x = p.X
	}
	if id, ok := x.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}
