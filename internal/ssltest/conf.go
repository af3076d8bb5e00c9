package ssltest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sessl/internal/cshim"
	"sessl/ssl"
)

// CnfEnv tells a child process of the tests what to do.
const CnfEnv = "SESSL_CNF_CASE"

// UnderConf runs a test in a process whose openssl.cnf has lines in its section system_default,
// and which finds value in the environment.
func UnderConf(t *testing.T, test, lines, value string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "openssl.cnf")
	text := "openssl_conf = conf\n[conf]\nssl_conf = sect\n[sect]\nsystem_default = settings\n[settings]\n" +
		lines + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), "OPENSSL_CONF="+file, CnfEnv+"="+value)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Without3 reports a library that has no providers, and wants the errors that say so.
func Without3(t *testing.T, cfg *ssl.Config) bool {
	t.Helper()
	if !strings.HasPrefix(cshim.Version(), "OpenSSL 1.") {
		return false
	}
	err := cfg.CheckClient()
	Refuses(t, cshim.Version(), err, ssl.ErrUnsupported)
	if err != nil && !strings.Contains(err.Error(), "needs OpenSSL 3.0") {
		t.Errorf("%q does not say what is needed", err)
	}
	return true
}
