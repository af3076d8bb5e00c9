// Package psk_test tests external pre-shared keys.
package psk_test

import (
	"testing"

	"sessl/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }
