//go:build cgo

package ssl

import "sessl/internal/cshim"

// readObjects reads how many objects C has made and freed.
func (c *Counters) readObjects() {
	c.SessionObjectsCreated, c.SessionObjectsFreed = cshim.SessionCounts()
	c.TicketKeyObjectsCreated, c.TicketKeyObjectsWiped = cshim.TicketKeyCounts()
	c.IDKeyObjectsCreated, c.IDKeyObjectsWiped = cshim.IDKeyCounts()
	c.PSKObjectsCreated, c.PSKObjectsWiped = cshim.PSKCounts()
}
