// Package trust_test tests roots, revocation, verification and authentication after the handshake.
package trust_test

import (
	"testing"

	"sessl/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }
