package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// eachGo reads all Go files under root, those of nested modules included.
func eachGo(root string, do func(name, text string) error) error {
	return filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() &&
			(d.Name() == "testdata" || d.Name() == "build" || (strings.HasPrefix(d.Name(), ".") && name != root)):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return do(name, string(text))
	})
}

// longLines finds the longest line of Go under root, where it is, and how many lines are over
// maxColumns.
func longLines(root string) (columns int, where string, over int, err error) {
	err = eachGo(root, func(name, text string) error {
		n := 0
		for line := range strings.Lines(text) {
			n++
			width := utf8.RuneCountInString(strings.TrimSuffix(line, "\n"))
			if width > maxColumns {
				over++
			}
			if width > columns {
				columns, where = width, fmt.Sprintf("%s:%d", name, n)
			}
		}
		return nil
	})
	return columns, where, over, err
}

// entry matches the functions of a test file that are no helpers.
var entry = regexp.MustCompile(`^(Test|Benchmark|Fuzz|Example)|^(main|init)$`)

// twinHelpers are the functions of test files that more than one directory has with the same name
// and the same types, internal/ssltest left out: that is where they belong.
func twinHelpers(root string) (twins []string, err error) {
	dirs := make(map[string]map[string]bool)
	fset := token.NewFileSet()
	err = eachGo(root, func(name, text string) error {
		if !strings.HasSuffix(name, "_test.go") || filepath.Base(filepath.Dir(name)) == "ssltest" {
			return nil
		}
		f, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || entry.MatchString(fn.Name.Name) {
				continue
			}
			key := fn.Name.Name + signature(fn.Type)
			if dirs[key] == nil {
				dirs[key] = make(map[string]bool)
			}
			dirs[key][filepath.Dir(name)] = true
		}
		return nil
	})
	for _, key := range slices.Sorted(maps.Keys(dirs)) {
		if len(dirs[key]) > 1 {
			twins = append(twins, key+": "+strings.Join(slices.Sorted(maps.Keys(dirs[key])), " "))
		}
	}
	return twins, err
}

// signature has the types of a function, and no names.
func signature(t *ast.FuncType) string {
	return "(" + fieldTypes(t.Params) + ") (" + fieldTypes(t.Results) + ")"
}

func fieldTypes(l *ast.FieldList) string {
	var all []string
	if l == nil {
		return ""
	}
	for _, f := range l.List {
		for range max(len(f.Names), 1) {
			all = append(all, types.ExprString(f.Type))
		}
	}
	return strings.Join(all, ", ")
}
