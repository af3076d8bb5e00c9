package ssl

// EarlyKept returns the kept early data that has not been read. No handshake may be in progress.
func EarlyKept(c *Conn) []byte { return c.early.kept }
