//go:build race || asan

package ssl_test

// underChecker: the race detector and AddressSanitizer make everything several times slower,
// so loops are shorter under them.
const underChecker = true
