package ssl

// SealedFor is what a store would have to return to make a server take s for the session of
// that id.
func (k *SealKeys) SealedFor(id []byte, s *Session) ([]byte, error) {
	plain, err := s.packed()
	if err != nil {
		return nil, err
	}
	return k.seal(plain, sealedAs(id))
}
