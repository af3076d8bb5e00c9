// Package names_test tests names of hosts: verified, virtual, and in contexts of sessions.
package names_test

import (
	"testing"

	"sessl/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }
