// Package sessions_test tests the values and the life of a Session, its encodings, and files of
// other versions.
package sessions_test

import (
	"testing"

	"sessl/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }
