package load

import (
	"os"
	"testing"

	"sessl/internal/leakcheck"
)

func TestMain(m *testing.M) {
	if addr := os.Getenv(crowdAddr); addr != "" {
		leakcheck.Main(crowdRun(addr))
	}
	leakcheck.Main(m)
}
