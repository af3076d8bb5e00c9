package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sessl/internal/ssltest"
)

// A key from the command line serves and probes; before OpenSSL 4.0 both say what they need.
func TestECHKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ech.pem")
	list := sessl(t, "ech-key", "server.test", file).want(t, exitOK).out
	sessl(t, "ech-key", "server.test", file).want(t, exitError)
	sessl(t, "ech-key", "127.0.0.1", file, "--overwrite").want(t, exitError)
	sessl(t, "ech-key", "server.test").want(t, exitUsage)
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
	published := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(published, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	ca := ssltest.CertFile("ca.pem")
	if ssltest.LibraryRelease() < "4.0" {
		got := sessl(t, "probe", "127.0.0.1:1", "--ca", ca, "--ech", published).want(t, exitError)
		if !strings.Contains(got.errOut, "OpenSSL 4.0") {
			t.Errorf("%q does not say what is needed", got.errOut)
		}
		return
	}
	_, addr := startServe(t, "--ech-key", file)
	for _, from := range []string{published, file} {
		var r report
		out := sessl(t, "probe", addr, "--ca", ca, "--server-name", "localhost", "--ech", from, "-n", "1",
			"--send", "x", "--json").want(t, exitOK).out
		if err := json.Unmarshal([]byte(out), &r); err != nil || !r.ECH {
			t.Errorf("%v: %s", err, out)
		}
	}
}
