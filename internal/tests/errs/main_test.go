// Package errs_test compares errors with those of crypto/tls and tests their texts.
package errs_test

import (
	"testing"

	"sessl/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }
