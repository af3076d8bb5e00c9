package ssl

// EarlyKept is early data that nobody has read yet, as it is kept. No handshake is under way.
func EarlyKept(c *Conn) []byte { return c.early.kept }
