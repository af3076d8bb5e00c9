//go:build !cgo || windows

package ssl

import _ "sessl/internal/unsupported" // the compiler's only error
