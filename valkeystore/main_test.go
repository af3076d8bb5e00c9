package valkeystore

import (
	"testing"

	"sessl/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }
