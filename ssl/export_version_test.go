package ssl

import "log/slog"

// Warn logs what the first Ctx would.
func (v OpenSSLVersions) Warn(log *slog.Logger) { v.warn(log) }

// BoundsDecompression is what is believed of that version of OpenSSL.
func BoundsDecompression(version uint64) bool { return boundsDecompression(version) }
