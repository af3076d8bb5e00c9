package ssl

// SealHeadLen is how long what precedes the encrypted bytes is.
const SealHeadLen = sealHeadLen

// SealedFor is what a store would have to return to make a server take s for the session of
// that id.
func (k *SealKeys) SealedFor(id []byte, s *Session) ([]byte, error) {
	plain, err := s.packed()
	if err != nil {
		return nil, err
	}
	return k.seal(plain, sealedAs(id))
}

// SealAsStored seals anything in the way of a session in a store.
func (k *SealKeys) SealAsStored(id, plain []byte) ([]byte, error) {
	return k.seal(append([]byte(nil), plain...), sealedAs(id))
}

// OpenStored is what a server's cache makes of what its store returned.
func (k *SealKeys) OpenStored(id, sealed []byte) (*Session, error) {
	return (&backing{keys: k}).unseal(id, sealed)
}

// SealAsFile seals anything in the way of LRUClientSessionCache.Save.
func (k *SealKeys) SealAsFile(plain []byte) ([]byte, error) {
	return k.seal(append([]byte(nil), plain...), sealedCache)
}

// PackedSession is what is sealed. It is no method: those of a Session are listed by tests.
func PackedSession(s *Session) ([]byte, error) { return s.packed() }

// Packed is what Save seals.
func (c *LRUClientSessionCache) Packed() ([]byte, error) { return c.packed() }
