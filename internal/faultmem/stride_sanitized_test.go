//go:build race || asan

package faultmem_test

// stride is the distance between the allocations that fail in a sweep of handshakes: the
// race detector and AddressSanitizer make each of them several times as long. It is a
// prime, so that a pattern in the allocations does not hide what lies between.
const stride = 13
