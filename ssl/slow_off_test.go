//go:build !race && !asan

package ssl_test

// underChecker: see slow_on_test.go.
const underChecker = false
