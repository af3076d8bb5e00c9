// Package tickets_test tests ticket keys, ticket data, and the age of sessions.
package tickets_test

import (
	"testing"

	"sessl/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }
