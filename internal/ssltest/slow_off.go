//go:build !race && !asan

package ssltest

// UnderChecker: see slow_on.go.
const UnderChecker = false
