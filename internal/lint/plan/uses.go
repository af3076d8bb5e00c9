package main

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// goUses finds which file of the package in dir uses declarations of which other, tests left
// out. A field or a method counts where it is declared.
func goUses(dir string) (graph, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	var files []*ast.File
	g := make(graph)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
		g.node(filepath.Base(name))
	}
	info := types.Info{Uses: make(map[*ast.Ident]types.Object)}
	cfg := types.Config{
		FakeImportC: true,
		Importer:    importer.ForCompiler(fset, "source", nil),
		// Files that exclude each other by build tags declare the same names. What could not be
		// checked for that has no uses.
		Error: func(error) {},
	}
	pkg, _ := cfg.Check(dir, fset, files, &info) // the error is one of those that were passed over
	for id, obj := range info.Uses {
		if obj.Pkg() == pkg && isLasting(obj, pkg) {
			from, to := fset.Position(id.Pos()).Filename, fset.Position(obj.Pos()).Filename
			g.add(filepath.Base(from), filepath.Base(to))
		}
	}
	return g, nil
}

// isLasting tells what the package declares from what is local to a function.
func isLasting(obj types.Object, pkg *types.Package) bool {
	switch o := obj.(type) {
	case *types.Var:
		return o.IsField() || o.Parent() == pkg.Scope()
	case *types.Func:
		return true
	case *types.TypeName, *types.Const:
		return o.Parent() == pkg.Scope()
	}
	return false
}

var (
	cNoise = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'`)
	cWord  = regexp.MustCompile(`\bsessl_\w+`)
	// cHead is the line with the name of a function, cSlot that of a variable, which other files
	// can use.
	cHead = regexp.MustCompile(`(?m)^(?:[A-Za-z_][\w ]*[ *]+)?(sessl_\w+)\([^;]*$`)
	cSlot = regexp.MustCompile(`(?m)^int (sessl_\w+) = `)
)

// cUses finds which C file in dir uses functions and variables of which other.
func cUses(dir string) (graph, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.c"))
	if err != nil {
		return nil, err
	}
	texts, home := make(map[string]string), make(map[string]string)
	g := make(graph)
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		name = filepath.Base(name)
		g.node(name)
		texts[name] = cNoise.ReplaceAllString(string(text), " ")
		for _, re := range []*regexp.Regexp{cHead, cSlot} {
			for _, m := range re.FindAllStringSubmatch(texts[name], -1) {
				home[m[1]] = name
			}
		}
	}
	for name, text := range texts {
		for _, word := range cWord.FindAllString(text, -1) {
			if to := home[word]; to != "" {
				g.add(name, to)
			}
		}
	}
	return g, nil
}
