//go:build ssldebug

package ssl_test

import (
	"runtime/pprof"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// Built with ssldebug, a live handle says where it was made, in the report and as a
// profile, and a closed one no longer does.
func TestDebugTellsWhereHandlesWereMade(t *testing.T) {
	leakcheck.Test(t)
	s, err := ssl.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	report := func() string {
		var b strings.Builder
		if on, err := ssl.LiveHandles(&b); !on || err != nil {
			t.Fatalf("LiveHandles: %t, %v", on, err)
		}
		return b.String()
	}
	if r := report(); !strings.Contains(r, "session handle") || !strings.Contains(r, "debug_on_test.go") {
		t.Errorf("the report does not name this test:\n%s", r)
	}
	p := pprof.Lookup("ssl.session")
	if p == nil || p.Count() != 1 {
		t.Fatalf("profile ssl.session is %v", p)
	}
	var stacks strings.Builder
	if err := p.WriteTo(&stacks, 1); err != nil || !strings.Contains(stacks.String(), "debug_on_test.go") {
		t.Errorf("the profile does not name this test: %v\n%s", err, stacks.String())
	}
	s.Close()
	if r := report(); strings.Contains(r, "debug_on_test.go") || p.Count() != 0 {
		t.Errorf("a closed handle is still listed:\n%s", r)
	}
}
