//go:build race || asan

package faultmem_test

// stride is the distance between the allocations that fail in a sweep of handshakes. The race
// detector and AddressSanitizer make each handshake several times as long. It is a prime, so
// that a pattern in the allocations hides nothing.
const stride = 13
