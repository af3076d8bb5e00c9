package lint

import (
	"regexp"
	"strings"
	"testing"
)

// cgoFiles: C is called only from files whose names say so, and from the packages that exist
// for it.
func cgoFiles(t *tree) []finding {
	var found []finding
	for _, f := range t.core() {
		if strings.HasSuffix(f.path, "_cgo.go") ||
			f.under("internal/cshim", "internal/faultmem", "internal/fakeclock") {
			continue
		}
		if spec, _ := importC(f.syntax); spec != nil {
			found = append(found, t.at(spec.Pos(), `import "C" belongs in a file named *_cgo.go or in internal/cshim`))
		}
	}
	return found
}

func TestCgoFiles(t *testing.T) {
	enforce(t, cgoFiles,
		mutant{"ssl/session.go": "package ssl\nimport \"C\" // BAD\n"},
		mutant{"internal/other/a.go": "package other\nimport (\n\t\"os\"\n\t\"C\" // BAD\n)\n"},
		mutant{
			"ssl/session_cgo.go":         "package ssl\nimport \"C\"\n",
			"internal/cshim/cshim.go":    "package cshim\nimport \"C\"\n",
			"internal/faultmem/mem.go":   "package faultmem\nimport \"C\"\n",
			"internal/other/testdata.go": "package other\nconst s = `import \"C\"`\n",
		})
}

var (
	cDirective = regexp.MustCompile(`^#\s*(cgo|include)\b`)
	cBody      = regexp.MustCompile(`(\)\s*|^)\{`)
)

// preambles: C has its own files, under internal. A preamble only includes and configures; in
// the packages there, which wrap C, it may declare too.
func preambles(t *tree) []finding {
	var found []finding
	for _, f := range t.only(func(f *file) bool { return f.isC() && f.under("ssl") }) {
		found = append(found, finding{f.path, 1, "C code belongs in internal/cshim"})
	}
	for _, f := range t.core() {
		for _, l := range t.preamble(f) {
			switch {
			case l.text == "" || cDirective.MatchString(l.text):
			case !f.under("internal"):
				found = append(found, finding{f.path, l.line,
					"a preamble holds #cgo and #include lines only: C code belongs in internal/cshim"})
			case cBody.MatchString(l.text):
				found = append(found, finding{f.path, l.line, "a C function in a preamble: it belongs in a .c file"})
			}
		}
	}
	return found
}

func TestPreambles(t *testing.T) {
	enforce(t, preambles,
		mutant{"ssl/a_cgo.go": `package ssl

// #cgo noescape SSL_SESSION_up_ref
// // a comment
// #include <openssl/ssl.h>
// typedef int number; // BAD
import "C"
`},
		mutant{"ssl/a_cgo.go": `package ssl

/*
#include <openssl/ssl.h>

#define X 1 // BAD
static int f(void) { return 1; } // BAD
*/
import "C"
`},
		mutant{"internal/cshim/a.go": `package cshim

/*
#include "cshim.h"
#define X 1
int f(void);
static int g(void) { return 1; } // BAD
static int h(void)
{ // BAD
	return 1;
}
*/
import "C"
`},
		mutant{"ssl/a_cgo.go": `package ssl

/*
#cgo pkg-config: libssl
# include <openssl/ssl.h>
*/
import "C"

/* static int f(void) { return 1; } */
`},
		mutant{"ssl/a_cgo.go": "package ssl\nimport \"os\"\nimport \"C\"\n",
			"internal/cshim/a.c": "int f(void) { return 1; }\n"},
		mutant{"ssl/a.c": "int f(void); // BAD\n"})
}
