//go:build !race && !asan

package ssltest

// UnderChecker says that the race detector or AddressSanitizer is on.
const UnderChecker = false
