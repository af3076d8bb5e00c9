package ssl

// HasSSL reports whether c has made its SSL.
func HasSSL(c *Conn) (has bool) {
	c.withLive(func(p connPtr) { has = p.ssl != nil })
	return has
}
