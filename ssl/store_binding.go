package ssl

import "strconv"

// A SessionBindingStore is a SessionStore whose sessions are good only together with something that the
// machines know from elsewhere: the name of their fleet, or a number that goes up to make all earlier
// sessions void.
type SessionBindingStore interface {
	SessionStore

	// Binding returns what sessions are bound to when they are sealed. A session that was sealed under
	// another binding does not open; it counts as StoreStats.Refused. While Binding returns an error,
	// sessions are neither put nor looked up. It is called in the middle of handshakes, by several
	// goroutines at once, and must return at once.
	Binding() (string, error)
}

// sealedAs names what a session is sealed as: sealed bytes cannot be opened under another id.
func sealedAs(id []byte) string { return "server session " + string(id) }

// sealedAs is the same for this store.
func (b *backing) sealedAs(id []byte) (purpose string, err error) {
	if b.binding == nil {
		return sealedAs(id), nil
	}
	bound := ""
	if err = b.guard("Binding", func() (err error) {
		bound, err = b.binding.Binding()
		return err
	}); err != nil {
		return "", err
	}
	return "bound session " + strconv.Itoa(len(bound)) + " " + bound + string(id), nil
}
