package main

import (
	"encoding/json"
	"strings"
	"testing"

	"sessl/internal/ssltest"
)

// Certificates are compressed between this command and openssl, on either side, and only where the server
// was told to; before OpenSSL 3.2 the error says what is needed.
func TestCertificateCompression(t *testing.T) {
	sessl(t, serverFlags("--cert-compression", "zip")...).want(t, exitUsage)
	if ssltest.LibraryRelease() < "3.2" {
		got := sessl(t, serverFlags("--cert-compression", "zlib")...).want(t, exitError)
		if !strings.Contains(got.errOut, "OpenSSL 3.2") {
			t.Errorf("%q does not say what is needed", got.errOut)
		}
		return
	}
	_, ours := startServe(t, "--cert-compression", "zlib")
	_, plain := startServe(t)
	_, theirs := startOpenSSL(t, "-cert_comp")
	for addr, want := range map[string]bool{ours: true, plain: false, theirs: true} {
		var r report
		out := sessl(t, "probe", addr, "--ca", ssltest.CertFile("ca.pem"), "-n", "1", "--send", "x", "--json").
			want(t, exitOK).out
		if err := json.Unmarshal([]byte(out), &r); err != nil || r.Compressed != want {
			t.Errorf("%s: %v: %s", addr, err, out)
		}
	}
	for addr, want := range map[string]bool{ours: true, plain: false} {
		out, err := openssl(t, "s_client", "-connect", addr, "-msg").CombinedOutput()
		if got := strings.Contains(string(out), "CompressedCertificate"); err != nil || got != want {
			t.Errorf("%s, s_client: %v, compressed: %t, want %t", addr, err, got, want)
		}
	}
}
