//go:build !race && !asan

package ssltest

const underChecker = false
