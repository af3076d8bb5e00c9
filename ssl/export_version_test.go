package ssl

import "log/slog"

// Warn logs what the first Ctx would.
func (v OpenSSLVersions) Warn(log *slog.Logger) { v.warn(log) }
