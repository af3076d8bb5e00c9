package surface

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Where the module cannot be built, the build ends with one error, which says what is missing.
func TestBuildSaysWhatIsMissing(t *testing.T) {
	for _, tt := range []struct{ goos, pkg, want string }{
		{"linux", "./ssl", "sessl_needs_CGO_ENABLED_1"},
		{"linux", "./httpssl", "sessl_needs_CGO_ENABLED_1"},
		{"windows", "./internal/unsupported", "not_supported_on_Windows"}, // package ssl takes Windows' whole net
	} {
		out, err := goTool(t, tt.goos, "build", "-o", os.DevNull, tt.pkg)
		if err == nil || strings.Count(out, "\n") != 2 || !strings.Contains(out, tt.want) {
			t.Errorf("%s, %s: %v\n%s", tt.goos, tt.pkg, err, out)
		}
		out, err = goTool(t, tt.goos, "list", "-deps", "./ssl")
		if err != nil || !strings.Contains(out, "internal/unsupported\n") {
			t.Errorf("on %s package ssl does not lead to the error: %v\n%s", tt.goos, err, out)
		}
	}
}

// goTool runs the go command for goos without cgo.
func goTool(t *testing.T, goos string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
