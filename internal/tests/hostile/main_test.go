// Package hostile_test tests peers that lie, stall, flood or send what is no TLS.
package hostile_test

import (
	"testing"

	"sessl/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }
