package ssl

// A SessionStatusStore is a SessionStore that knows whether it is out of reach, for example
// because it has stopped to ask a database that does not answer.
type SessionStatusStore interface {
	SessionStore

	// Down reports that what is put now is not expected to arrive. A server with TicketKeys and
	// [Config].PreferSessionCache then issues tickets, which the other servers can open without
	// the store, to all clients that take them. Down is called in the middle of handshakes, by
	// several goroutines at once, and must return at once. A panic counts as true.
	Down() bool
}

// reportsDown reports whether there is a store that could say that it is down.
func (c *ServerSessionCache) reportsDown() bool { return c.backing != nil && c.backing.status != nil }

// isDown asks the store, if it could say so.
func (c *ServerSessionCache) isDown() bool {
	down := true
	c.backing.guard("Down", func() error {
		down = c.backing.status.Down()
		return nil
	})
	return down
}
