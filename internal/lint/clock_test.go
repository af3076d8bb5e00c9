package lint

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var systemTime = regexp.MustCompile(`\b(time|gettimeofday|ftime)\(|\bCLOCK_REALTIME\b`)

// oneClock: what sessions, tickets, keys and claims are judged by is package clock in Go and sessl_now in
// C, which tests can move. The rooms of the upper floor, and the one that reads roots, time their waiting.
func oneClock(t *tree) []finding {
	var found []finding
	for _, f := range t.core() {
		if path.Dir(f.path) != "ssl" || f.isTest() || slices.Contains(upperRooms, room(f.path)) ||
			room(f.path) == "roots" {
			continue
		}
		for _, pos := range uses(f.syntax, "time", "Now", "Since", "Until", "AfterFunc") {
			found = append(found, t.at(pos, "the time is told by package clock"))
		}
	}
	for _, f := range t.only(func(f *file) bool {
		return f.under("internal/cshim") && f.isC() && path.Base(f.path) != "policy.c"
	}) {
		for i, line := range strings.Split(cCode(f.text), "\n") {
			if systemTime.MatchString(line) {
				found = append(found, finding{f.path, i + 1, "the time is told by sessl_now"})
			}
		}
	}
	return found
}

func TestOneClock(t *testing.T) {
	enforce(t, oneClock,
		mutant{"ssl/seal.go": "package ssl\nimport \"time\"\nvar t = time.Now() // BAD\n"},
		mutant{"ssl/store_io.go": "package ssl\nimport \"time\"\nfunc f() { time.AfterFunc(1, nil) } // BAD\n"},
		mutant{"internal/cshim/a.c": "int f(void)\n{\n    return time(NULL) > 0; /* BAD */\n}\n"},
		mutant{
			"ssl/conn_io.go":          "package ssl\nimport \"time\"\nvar t = time.Now()\n",
			"ssl/seal_test.go":        "package ssl\nimport \"time\"\nvar t = time.Now()\n",
			"ssl/seal.go":             "package ssl\nimport \"time\"\nvar t time.Time\n",
			"internal/cshim/policy.c": "int f(void)\n{\n    return time(NULL) > 0;\n}\n",
			"internal/cshim/a.c":      "int g(void)\n{\n    return cmp_time(1); /* time(2) */\n}\n",
		})
}
