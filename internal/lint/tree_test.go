package lint

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A tree is the text of a source tree. Paths are relative to the root of the
// module, with slashes.
type tree struct {
	fset  *token.FileSet
	files []*file
}

// A file is one text file. nested is true in a directory with its own go.mod,
// and syntax is set for Go files only.
type file struct {
	path   string
	text   string
	nested bool
	syntax *ast.File
}

func (f *file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }
func (f *file) isC() bool    { return strings.HasSuffix(f.path, ".c") || strings.HasSuffix(f.path, ".h") }

func (f *file) under(dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return strings.HasPrefix(f.path, dir+"/") })
}

// newTree parses files, given as path and text.
func newTree(texts map[string]string) (*tree, error) {
	t := &tree{fset: token.NewFileSet()}
	var modules []string
	for name, text := range texts {
		if dir := path.Dir(name); path.Base(name) == "go.mod" && dir != "." {
			modules = append(modules, dir)
		}
		f := &file{path: name, text: text}
		if strings.HasSuffix(name, ".go") && !inTestdata(name) {
			syntax, err := parser.ParseFile(t.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			f.syntax = syntax
		}
		t.files = append(t.files, f)
	}
	for _, f := range t.files {
		f.nested = f.under(modules...)
	}
	slices.SortFunc(t.files, func(a, b *file) int { return strings.Compare(a.path, b.path) })
	return t, nil
}

// inTestdata reports whether the go command ignores a path, as it does everything in testdata
// directories.
func inTestdata(name string) bool {
	return slices.Contains(strings.Split(path.Dir(name), "/"), "testdata")
}

// core returns the Go files of the core module.
func (t *tree) core() []*file {
	return t.only(func(f *file) bool { return f.syntax != nil && !f.nested })
}

func (t *tree) only(keep func(*file) bool) []*file {
	var kept []*file
	for _, f := range t.files {
		if keep(f) {
			kept = append(kept, f)
		}
	}
	return kept
}

// moduleRoot walks up to the directory with the core module's go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fs.ErrNotExist
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}

// readTexts reads every text file under root, except files that git ignores and the
// certificates of the tests.
func readTexts(root string) (map[string]string, error) {
	list, err := os.ReadFile(filepath.Join(root, ".gitignore"))
	if err != nil {
		return nil, err
	}
	ignored := ignores(string(list))
	texts := make(map[string]string)
	err = fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.Name() == ".git" || name == "testdata/certs" || ignored(name, entry.IsDir()) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err == nil && !bytes.Contains(text, []byte{0}) {
			texts[name] = string(text)
		}
		return err
	})
	return texts, err
}

// ignores reads the part of the gitignore language that the project uses: one name or pattern
// on each line, a leading slash for the root, a trailing one for directories.
func ignores(list string) func(name string, isDir bool) bool {
	return func(name string, isDir bool) bool {
		for line := range strings.Lines(list) {
			pattern := strings.TrimSpace(line)
			if pattern == "" || pattern[0] == '#' {
				continue
			}
			dirOnly := strings.HasSuffix(pattern, "/")
			pattern = strings.TrimSuffix(pattern, "/")
			rooted := strings.HasPrefix(pattern, "/")
			target := path.Base(name)
			if rooted {
				target = "/" + name
			}
			if ok, _ := path.Match(pattern, target); ok && (isDir || !dirOnly) {
				return true
			}
		}
		return false
	}
}

func TestIgnores(t *testing.T) {
	ignored := ignores("# built\n/build/\n*.test\n")
	for _, c := range []struct {
		name  string
		isDir bool
		want  bool
	}{
		{"build", true, true},
		{"build", false, false},
		{"ssl/build", true, false},
		{"ssl/ssl.test", false, true},
		{"ssl/ssl_test.go", false, false},
	} {
		if got := ignored(c.name, c.isDir); got != c.want {
			t.Errorf("ignored(%q, dir %v) = %v, want %v", c.name, c.isDir, got, c.want)
		}
	}
}
