package ssl_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// The version that runs is the library's, and a difference of more than a patch is logged.
func TestOpenSSLVersion(t *testing.T) {
	if v := ssl.OpenSSLVersion(); !strings.HasPrefix(v.Running, ssltest.LibraryRelease()) || v.Built == "" {
		t.Errorf("%+v, and the tests run with %s", v, ssltest.LibraryRelease())
	}
	for _, tt := range []struct {
		built, running string
		differ         bool
		text           string
	}{
		{"3.0.19", "3.0.19", false, "OpenSSL 3.0.19"},
		{"3.0.2", "3.0.19", false, "OpenSSL 3.0.19, built against 3.0.2"},
		{"3.0.19", "3.5.1", true, "OpenSSL 3.5.1, built against 3.0.19"},
		{"3.5.1", "4.0.0", true, "OpenSSL 4.0.0, built against 3.5.1"},
		{"1.1.1k", "1.1.1w", false, "OpenSSL 1.1.1w, built against 1.1.1k"},
		{"1.1.1w", "1.1.0l", true, "OpenSSL 1.1.0l, built against 1.1.1w"},
	} {
		v := ssl.OpenSSLVersions{Built: tt.built, Running: tt.running}
		if v.Differ() != tt.differ || v.String() != tt.text {
			t.Errorf("%+v: %t, %q", v, v.Differ(), v)
		}
		var log bytes.Buffer
		v.Warn(slog.New(slog.NewTextHandler(&log, nil)))
		if strings.Contains(log.String(), "level=WARN") != tt.differ || len(log.String()) > 0 != tt.differ {
			t.Errorf("%+v logs %q", v, log.String())
		}
	}
}

// The releases that hold decompressed certificates to a limit, by OpenSSL's advisory on CVE-2025-66199.
func TestBoundsDecompression(t *testing.T) {
	for version, want := range map[uint64]bool{
		0x30200070: false, 0x30300050: false, 0x30300060: true, 0x30400030: false, 0x30400040: true,
		0x30500040: false, 0x30500050: true, 0x30500090: true, 0x30600000: false, 0x30600010: true,
		0x30700000: true, 0x40000030: true,
	} {
		if got := ssl.BoundsDecompression(version); got != want {
			t.Errorf("%x: %t, want %t", version, got, want)
		}
	}
}
