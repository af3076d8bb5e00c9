package lint

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var complaint = regexp.MustCompile(
	`copies\.go:(\d+):\d+: .* (?:lock by value|passes lock|copies lock).*: sessl/ssl\.`)

// A copy of a handle would be a second owner of one reference. The compiler allows copies; go
// vet must not.
func TestVetRefusesCopies(t *testing.T) {
	const file = "testdata/copies/copies.go"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]bool{}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if strings.HasSuffix(line, "// BAD\n") {
			want[n] = true
		}
	}
	out, err := exec.Command("go", "vet", "./testdata/copies").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("go vet: %v, want it to complain\n%s", err, out)
	}
	got := map[int]bool{}
	for _, m := range complaint.FindAllSubmatch(out, -1) {
		line, _ := strconv.Atoi(string(m[1]))
		got[line] = true
	}
	if !maps.Equal(got, want) || len(want) == 0 {
		t.Errorf("go vet complains about lines %v, want %v\n%s",
			slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)), out)
	}
}
