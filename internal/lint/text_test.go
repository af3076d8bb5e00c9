package lint

import (
	"regexp"
	"strings"
	"testing"
)

const maxLines = 400

// The expressions do not match themselves, because this file is checked too.
var (
	machinePath  = regexp.MustCompile(`(^|[^\w.])/(work|root|home/\w+|Users/\w+)/`)
	registryHost = regexp.MustCompile(
		`\b(deb|security|snapshot|archive|ftp)\.(debian|ubuntu)\b|\b(proxy|sum)\.golang\b|` +
			`\bregistry\.(npmjs|yarnpkg|hub)\b|\b(index|static)\.crates\b|\bfiles\.pythonhosted\b|\bpypi\.org\b`)
	openTask = regexp.MustCompile(`\bTODO\b(\(\s*[^)\s][^)]*\))?`)
)

// machines: the tree names no path of a machine, and no package registry: users choose their
// own.
func machines(t *tree) []finding {
	return t.eachLine(func(line string) string {
		switch {
		case machinePath.MatchString(line):
			return "a path of one machine: use a relative path, or a variable"
		case registryHost.MatchString(line):
			return "the host of a package registry: leave the choice to the user's own settings"
		}
		return ""
	})
}

func (t *tree) eachLine(why func(line string) string) []finding {
	var found []finding
	for _, f := range t.files {
		n := 0
		for line := range strings.Lines(f.text) {
			n++
			if w := why(line); w != "" {
				found = append(found, finding{f.path, n, w})
			}
		}
	}
	return found
}

func TestMachines(t *testing.T) {
	enforce(t, machines,
		mutant{
			"README.md":          "see /wo" + "rk/x // BAD\nhttps://example.com/wo" + "rk/x\nnetwo" + "rk/x\n",
			"valkeystore/go.mod": "module v\n",
			"valkeystore/a.txt":  "cd /ho" + "me/me/src // BAD\ncd /home\n",
			"testdata/x.sh":      "/ro" + "ot/.cache // BAD\n",
			"scripts/a.sh":       "GOPROXY=https://proxy." + "golang.org // BAD\n",
			"scripts/matrix/get.sh": "http://snapshot." + "debian.org/x // BAD\nhttp://deb." +
				"debian.org // BAD\nhttps://registry." + "npmjs.org // BAD\nhttps://www.debian.org\n",
		})
}

// openTasks: work that is left open says why it waits.
func openTasks(t *tree) []finding {
	return t.eachLine(func(line string) string {
		for _, m := range openTask.FindAllStringSubmatch(line, -1) {
			if m[1] == "" {
				return "work left open without a reason: write TODO(reason)"
			}
		}
		return ""
	})
}

func TestOpenTasks(t *testing.T) {
	enforce(t, openTasks,
		mutant{"ssl/a.go": "package ssl\n" +
			"// TO" + "DO: later // BAD\n" +
			"// TO" + "DO() // BAD\n" +
			"// TODO(1.1.1 has no such call): later\n"},
		mutant{"docs/a.md": "TODO(a reason) and TO" + "DO // BAD\nTODOS\n"})
}

// longFiles: a file holds one concern. Tests may be long.
func longFiles(t *tree) []finding {
	var found []finding
	for _, f := range t.files {
		if !f.isC() && (!strings.HasSuffix(f.path, ".go") || f.isTest()) {
			continue
		}
		if n := strings.Count(f.text, "\n"); n > maxLines {
			found = append(found,
				finding{f.path, maxLines + 1, "the file is too long: which of its concerns can stand alone?"})
		}
	}
	return found
}

func TestLongFiles(t *testing.T) {
	full := strings.Repeat("\n", maxLines-1)
	enforce(t, longFiles,
		mutant{"ssl/a.go": "package ssl\n" + full + " // BAD\n"},
		mutant{"internal/cshim/a.c": "\n" + full + " // BAD\n", "internal/cshim/a.h": "\n" + full + " /* BAD */\n"},
		mutant{"ssl/a.go": "package ssl\n" + full, "ssl/a_test.go": "package ssl\n\n" + full,
			"docs/a.md": "\n\n" + full})
}

// requirements: the core module needs the standard library and libssl.
func requirements(t *tree) []finding {
	var found []finding
	for _, f := range t.only(func(f *file) bool { return f.path == "go.mod" }) {
		n := 0
		for line := range strings.Lines(f.text) {
			n++
			if fields := strings.Fields(line); len(fields) > 0 && fields[0] == "require" {
				found = append(found,
					finding{f.path, n, "the core module has no dependencies: what needs one is a module of its own"})
			}
		}
	}
	return found
}

func TestRequirements(t *testing.T) {
	enforce(t, requirements,
		mutant{"go.mod": "module sessl\n\nrequire example.com/a v1.0.0 // BAD\n" +
			"require ( // BAD\n\texample.com/b v1.0.0\n)\n"},
		mutant{"go.mod": "module sessl\n\n// require nothing\n",
			"cmd/a/go.mod": "module a\nrequire example.com/a v1.0.0\n"})
}
