package ssl

// SealKeysIn is NewSealKeys with room for that many keys, which it returns whatever comes of them.
func SealKeysIn(room int, keys ...[]byte) (memory [][]byte, err error) {
	in := make([]sealKey, room)
	k, err := sealKeysIn("NewSealKeys", in[:0], keys)
	for i := range in {
		memory = append(memory, in[i].key[:])
	}
	k.Close()
	return memory, err
}
