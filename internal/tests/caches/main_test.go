// Package caches_test tests the session caches of clients and servers, and stores.
package caches_test

import (
	"testing"

	"sessl/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }
