// Package closing_test tests the ends of connections, and errors that end them.
package closing_test

import (
	"testing"

	"sessl/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }
