// Package certs_test tests certificates: loading, choosing, stapling, replacing.
package certs_test

import (
	"testing"

	"sessl/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }
