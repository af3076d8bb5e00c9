package load

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func serverCtx(t *testing.T, version uint16) *ssl.Ctx {
	t.Helper()
	cert := ssltest.KeyPair(t, "server-ecdsa")
	ctx, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}, MinVersion: version,
		MaxVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ctx.Close() })
	return ctx
}

func clientConfig(version uint16) *ssl.Config {
	pool, err := ssl.LoadCertPool(ssltest.CertFile("ca.pem"))
	if err != nil {
		panic(err)
	}
	return &ssl.Config{RootCAs: pool, ServerName: "localhost", MinVersion: version, MaxVersion: version}
}

// rerun starts this test binary again, for another task.
func rerun(t *testing.T, env string) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), env)
	cmd.Stderr = os.Stderr
	return cmd.Output()
}

// threads returns the number of threads of the process. Go ends hardly any thread that it has
// made.
func threads(t *testing.T) int {
	t.Helper()
	n := len(leakcheck.Threads())
	if n == 0 {
		t.Fatal("the threads cannot be counted")
	}
	return n
}
