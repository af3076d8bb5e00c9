package lint

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// workspace: go.work uses every module of the tree, so that editors and make vet see all of them.
func workspace(t *tree) []finding {
	var modules []string
	for _, f := range t.only(func(f *file) bool {
		return path.Base(f.path) == "go.mod" && !inTestdata(f.path)
	}) {
		modules = append(modules, path.Dir(f.path))
	}
	var found []finding
	for _, f := range t.only(func(f *file) bool { return f.path == "go.work" }) {
		n := 0
		var used []string
		for line := range strings.Lines(f.text) {
			n++
			fields := strings.Fields(strings.TrimPrefix(line, "use "))
			if len(fields) != 1 || fields[0][0] != '.' {
				continue
			}
			dir := path.Clean(fields[0])
			used = append(used, dir)
			if !slices.Contains(modules, dir) {
				found = append(found, finding{f.path, n, "there is no module in " + dir})
			}
		}
		for _, dir := range modules {
			if !slices.Contains(used, dir) {
				found = append(found,
					finding{f.path, 1, "the module in " + dir + " is not used: editors and make vet do not see it"})
			}
		}
	}
	return found
}

func TestWorkspace(t *testing.T) {
	enforce(t, workspace,
		mutant{
			"go.work":               "go 1.26.0 // BAD\n\nuse (\n\t.\n\t./cmd/a\n\t./gone // BAD\n)\n",
			"go.mod":                "module a\n",
			"cmd/a/go.mod":          "module a/cmd/a\n",
			"store/go.mod":          "module a/store\n",
			"store/testdata/go.mod": "module b\n",
		},
		mutant{"go.work": "go 1.26.0\n\nuse .\n", "go.mod": "module a\n"})
	module, err := moduleTree()
	if err != nil {
		t.Fatal(err)
	}
	if len(module.named("go.work")) != 1 {
		t.Error("there is no go.work")
	}
}
