package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
)

// The quick start's client resumes with this server, whether it echoes or answers requests.
func TestServeQuickStart(t *testing.T) {
	leakcheck.Test(t)
	bin := filepath.Join(t.TempDir(), "quickstart")
	build := exec.Command("go", "build", "-o", bin, "sessl/examples/quickstart")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for mode, answer := range map[string]string{"--www": `"HTTP/1.0 200 OK\r\n"`,
		"--www=false": `"GET / HTTP/1.0\r\n"`} {
		_, addr := startServe(t, mode)
		out, err := exec.Command(bin, "-connect", addr, "-ca", ssltest.CertFile("ca.pem")).CombinedOutput()
		if err != nil || strings.Count(string(out), "answer "+answer) != 2 ||
			strings.Count(string(out), "resumed by ticket") != 1 {
			t.Errorf("serve %s: %v\n%s", mode, err, out)
		}
	}
}
