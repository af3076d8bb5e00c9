//go:build !race && !asan

package faultmem_test

// stride is the distance between the allocations that fail in a sweep of handshakes.
const stride = 1
