//go:build windows

package unsupported

const _ = sessl_is_not_supported_on_Windows
