//go:build race || asan

package ssltest

// UnderChecker: the race detector and AddressSanitizer make everything several times slower,
// so loops are shorter under them.
const UnderChecker = true
