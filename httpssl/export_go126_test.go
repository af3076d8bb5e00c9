//go:build !go1.27

package httpssl

import "time"

// SetPrefaceTimeout changes how long clients of HTTP/2 have for their first bytes, until
// restore is called.
func SetPrefaceTimeout(d time.Duration) (restore func()) {
	old := prefaceTimeout
	prefaceTimeout = d
	return func() { prefaceTimeout = old }
}
