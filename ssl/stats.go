package ssl

import (
	"io"

	"sessl/internal/cshim"
)

// Counters is a census of what this package holds in C memory. Reading it is cheap
// enough for a metrics scraper: a dozen atomic loads and one C call.
type Counters struct {
	Sessions HandleCounts // *Session
	Borrowed HandleCounts // *BorrowedSession; closed when WithSession returns
	Conns    HandleCounts // *Conn, each an SSL
	Ctxs     HandleCounts // *Ctx, each an SSL_CTX

	TicketKeys HandleCounts // *TicketKeys

	// Certificates, PSKs and single TicketKey values have no Close: the collector ends them all.
	Certificates HandleCounts

	// Roots are what was added to CertPools at a time; the collector ends them with the pool.
	Roots HandleCounts

	// SSL_SESSION objects of the whole process as counted by ex_data callbacks, those
	// that libssl made for itself included: connections and internal caches hold
	// sessions too. At rest, with every handle closed, they are equal.
	SessionObjectsCreated uint64
	SessionObjectsFreed   uint64

	// Ticket keys in C memory, those of TicketKeys and of single TicketKey values, and how
	// many of them are gone, wiped.
	TicketKeyObjectsCreated uint64
	TicketKeyObjectsWiped   uint64

	// External pre-shared keys in C memory, and how many of them are gone, wiped.
	PSKObjectsCreated uint64
	PSKObjectsWiped   uint64
}

// ReadCounters returns the census. The numbers are read one after the other, so while
// handles come and go they belong to slightly different moments. It may be called at any
// time from any goroutine.
func ReadCounters() Counters {
	c := Counters{
		Sessions: sessionKind.read(),
		Borrowed: borrowedKind.read(),
		Conns:    connKind.read(),
		Ctxs:     ctxKind.read(),

		TicketKeys: ticketKeysKind.read(),

		Certificates: certKind.read(),
		Roots:        rootsKind.read(),
	}
	c.SessionObjectsCreated, c.SessionObjectsFreed = cshim.SessionCounts()
	c.TicketKeyObjectsCreated, c.TicketKeyObjectsWiped = cshim.TicketKeyCounts()
	c.PSKObjectsCreated, c.PSKObjectsWiped = cshim.PSKCounts()
	return c
}

// LiveHandles writes where each live handle was made, oldest first, if the program was
// built with the tag ssldebug; it reports whether it was. Under that tag the same stacks
// are in the runtime/pprof profiles ssl.session, ssl.borrowed, ssl.conn, ssl.ctx,
// ssl.certificate, ssl.ticketkeys, ssl.ticketkey and ssl.psk.
func LiveHandles(w io.Writer) (bool, error) {
	return writeLiveHandles(w)
}
