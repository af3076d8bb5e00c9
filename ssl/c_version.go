package ssl

import (
	"log/slog"
	"strings"
	"sync"
)

// OpenSSLVersions are the versions of OpenSSL that a program has to do with, such as "3.0.19" or
// "1.1.1w".
type OpenSSLVersions struct {
	Built   string // of the headers that it was compiled with (OPENSSL_VERSION_TEXT)
	Running string // of the library that is loaded (OpenSSL_version)
}

// Differ reports whether the two versions differ in more than a patch, such as 3.0.19 and 3.5.1. The
// program then runs, but lacks what its headers lacked, and does not know what has changed since.
func (v OpenSSLVersions) Differ() bool { return branch(v.Built) != branch(v.Running) }

// String returns both versions, or one if they are equal.
func (v OpenSSLVersions) String() string {
	if v.Built == v.Running {
		return "OpenSSL " + v.Running
	}
	return "OpenSSL " + v.Running + ", built against " + v.Built
}

// versionNumber is the second word of a text such as "OpenSSL 3.0.19 27 Jan 2026".
func versionNumber(text string) string {
	words := strings.Fields(text)
	if len(words) < 2 {
		return text
	}
	return words[1]
}

// branch is a version without its patch: "3.0" for 3.0.19, but "1.1.1" for 1.1.1w.
func branch(version string) string {
	if strings.HasPrefix(version, "1.") {
		return strings.TrimRight(version, "abcdefghijklmnopqrstuvwxyz")
	}
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(len(parts), 2)], ".")
}

var warnOfVersions = sync.OnceFunc(func() { OpenSSLVersion().warn(slog.Default()) })

func (v OpenSSLVersions) warn(log *slog.Logger) {
	if v.Differ() {
		log.Warn("ssl: the OpenSSL that is loaded is not of the version that this program was built against",
			"running", v.Running, "built", v.Built)
	}
}
