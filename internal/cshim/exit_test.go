package cshim_test

import (
	"path/filepath"
	"testing"
)

// A process may end as C programs do, by exit(3), while connections are at work: no exit handler
// takes OpenSSL down under them.
func TestExitBesideConnections(t *testing.T) {
	program := filepath.Join(t.TempDir(), "exit")
	output(t, "go", "build", "-o", program, "./testdata/exit")
	certs := filepath.Join("..", "..", "testdata", "certs")
	for range 20 {
		output(t, program, filepath.Join(certs, "server-ecdsa.pem"), filepath.Join(certs, "server-ecdsa.key"))
	}
}
