// Package resumption_test tests which sessions resume and which must not.
package resumption_test

import (
	"testing"

	"sessl/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }
