//go:build !cgo && !windows

package unsupported

// Package ssl calls OpenSSL's libssl through cgo. On Debian:
//
//	apt-get install gcc pkg-config libssl-dev
//	CGO_ENABLED=1 go build ./...
const _ = sessl_needs_CGO_ENABLED_1_and_gcc_and_pkg_config_and_the_headers_of_OpenSSL
