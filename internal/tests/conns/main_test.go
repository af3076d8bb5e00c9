// Package conns_test tests what a Conn does for its application: reading, writing, dialing, waiting, state.
package conns_test

import (
	"testing"

	"sessl/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }
