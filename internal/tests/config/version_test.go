package config_test

import (
	"os"
	"strings"
	"testing"

	"sessl/internal/cshim"
	"sessl/internal/leakcheck"
)

// The matrix names the version that it means to test; this binary must run on it.
func TestRunsOnTheExpectedOpenSSL(t *testing.T) {
	leakcheck.Test(t)
	want := "OpenSSL " + os.Getenv("SESSL_EXPECT_OPENSSL")
	if got := cshim.Version(); !strings.HasPrefix(got, want) {
		t.Errorf("the library is %q, want %q", got, want)
	}
}
