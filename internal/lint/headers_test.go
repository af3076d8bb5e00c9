package lint

import (
	"path"
	"strings"
	"testing"
)

// headers: a package whose headers others include embeds all of them, because the build cache
// does not look at headers of other directories.
func headers(t *tree) []finding {
	var found []finding
	for _, f := range t.only(func(f *file) bool {
		return f.under("internal/cshim") && path.Ext(f.path) == ".h"
	}) {
		embedded := false
		for _, g := range t.core() {
			embedded = embedded ||
				path.Dir(g.path) == path.Dir(f.path) && strings.Contains(g.text, "\n//go:embed *.h\n")
		}
		if !embedded {
			found = append(found,
				finding{f.path, 1, "a header that is not embedded (//go:embed *.h): a change in it rebuilds nothing"})
		}
	}
	return found
}

func TestHeaders(t *testing.T) {
	enforce(t, headers,
		mutant{
			"internal/cshim/cshim.go": "package cshim\n\n//go:embed cshim.h\nvar _ string\n",
			"internal/cshim/cshim.h":  "int f(void); /* BAD */\n",
			"internal/cshim/early.h":  "int g(void); /* BAD */\n",
		},
		mutant{
			"internal/cshim/cshim.go": "package cshim\n\n//go:embed *.h\nvar _ embed.FS\n",
			"internal/cshim/cshim.h":  "int f(void);\n",
			"internal/other/other.h":  "int g(void);\n",
		})
}
