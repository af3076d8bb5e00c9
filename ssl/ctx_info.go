package ssl

import (
	"slices"
	"time"
)

// IsServer reports whether the Ctx came from NewServerCtx. A nil Ctx is no server's.
func (c *Ctx) IsServer() bool { return c != nil && c.server }

// NextProtos returns a copy of the application protocols that the Ctx offers or accepts by
// ALPN: its Config's. They are known after Close, too.
func (c *Ctx) NextProtos() []string {
	if c == nil {
		return nil
	}
	return slices.Clone(c.protos)
}

// ServerName returns the name that the Ctx's connections demand of the server unless they
// are given another: its Config's. It is known after Close, too.
func (c *Ctx) ServerName() string {
	if c == nil {
		return ""
	}
	return c.name
}

// HandshakeTimeout returns how long a server's handshakes may take: its Config's, 30 seconds by
// default, and 0 where there is no limit. Clients have none. It is known after Close, too.
func (c *Ctx) HandshakeTimeout() time.Duration {
	if c == nil {
		return 0
	}
	return c.timeout
}
