// Package config_test tests configurations, and what openssl.cnf has to say.
package config_test

import (
	"testing"

	"sessl/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }
