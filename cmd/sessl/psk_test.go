package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

const pskText = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" // for tests

func pskFile(t testing.TB, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "psk.hex")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// startPSK starts a server without a certificate.
func startPSK(t testing.TB, more ...string) (*background, string) {
	t.Helper()
	b := start(t, program(t, append([]string{"serve", "--listen", "127.0.0.1:0"}, more...)...))
	return b, strings.TrimPrefix(b.await(1, "listening on "), "listening on ")
}

// Both ends name the identity, on full handshakes and on resumed ones, and neither has a
// certificate.
func TestPSK(t *testing.T) {
	for _, v := range tlsVersions {
		t.Run(v, func(t *testing.T) {
			leakcheck.Test(t)
			flag := "urn:meter:42:" + pskFile(t, pskText+"\n")
			b, addr := startPSK(t, "--psk", flag, "--psk", "other:"+pskFile(t, strings.Repeat("5a", 16)))
			r := sessl(t, "probe", addr, "--psk", flag, "--tls", v, "-n", "2", "--json").want(t, exitOK)
			var rep report
			if err := json.Unmarshal([]byte(r.out), &rep); err != nil || rep.PSK != "urn:meter:42" || rep.Verified ||
				rep.Resumed != 2 {
				t.Errorf("%v in %s", err, r.out)
			}
			line := b.await(2, " full ")
			if !strings.Contains(line, ` psk="urn:meter:42" `) {
				t.Errorf("the server says %q", line)
			}
			r = sessl(t, "probe", addr, "--psk", flag, "--tls", v, "-n", "1").want(t, exitOK)
			if !strings.Contains(r.out, `authenticated by the PSK "urn:meter:42"`) {
				t.Errorf("%s", r.out)
			}
		})
	}
}

// A client with --psk alone accepts no certificate. With --ca it accepts one that verifies.
func TestPSKDeclined(t *testing.T) {
	leakcheck.Test(t)
	_, addr := startServe(t)
	flag := "unknown:" + pskFile(t, pskText)
	r := sessl(t, "probe", addr, "--psk", flag, "-n", "1").want(t, exitError)
	if !strings.Contains(r.errOut, ssl.ErrPSKDeclined.Error()) {
		t.Errorf("%s", r.errOut)
	}
	if rep := probeJSON(t, exitOK, addr, "--psk", flag, "-n", "1"); !rep.Verified || rep.PSK != "" {
		t.Errorf("%+v", rep)
	}
}

// Errors about bad files name the file, and show nothing of its contents.
func TestPSKFiles(t *testing.T) {
	leakcheck.Test(t)
	for name, tc := range map[string]struct {
		text, want string
	}{
		"no hexadecimal": {"secret passphrase", "not a key in hexadecimal"},
		"odd":            {pskText[1:], "not a key in hexadecimal"},
		"empty":          {" \n", "not a key in hexadecimal"},
		"short":          {pskText[:30], "can be guessed"},
		"long":           {strings.Repeat("ab", 3000), "too long for a key"},
	} {
		file := pskFile(t, tc.text)
		r := sessl(t, "probe", "127.0.0.1:1", "--psk", "me:"+file).want(t, exitError)
		if !strings.Contains(r.errOut, file) || !strings.Contains(r.errOut, tc.want) ||
			strings.Contains(r.errOut, "passphrase") {
			t.Errorf("%s: %s", name, r.errOut)
		}
	}
	sessl(t, "probe", "127.0.0.1:1", "--psk", "me:/nonexistent").want(t, exitError)
	for _, bad := range []string{"me", ":file", "me:"} {
		sessl(t, "probe", "127.0.0.1:1", "--psk", bad).want(t, exitUsage)
		sessl(t, "serve", "--psk", bad).want(t, exitUsage)
	}
	good := "me:" + pskFile(t, pskText)
	sessl(t, "probe", "127.0.0.1:1", "--psk", good, "--psk", good).want(t, exitUsage)
	sessl(t, "probe", "127.0.0.1:1", "--psk", good, "--insecure-skip-verify").want(t, exitUsage)
	sessl(t, "serve").want(t, exitUsage)
	sessl(t, "serve", "--psk", good, "--cert", ssltest.CertFile("server-ecdsa.pem")).want(t, exitUsage)
	sessl(t, "serve", "--psk", good, "--client-ca", ssltest.CertFile("ca.pem")).want(t, exitUsage)
}
