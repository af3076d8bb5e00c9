// Package ownership_test tests who holds a reference, until when, and that none is held too long.
package ownership_test

import (
	"testing"

	"sessl/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }
