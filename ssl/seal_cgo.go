package ssl

/*
#cgo noescape sessl_seal_key_id
#cgo nocallback sessl_seal_key_id
#cgo noescape sessl_seal_derive
#cgo nocallback sessl_seal_derive
#include "session.h"
*/
import "C"

// sealKeyIDOf identifies the key without telling anything about it.
func sealKeyIDOf(key []byte) (id [sealKeyIDLen]byte, err error) {
	var sum [SealKeyLen]byte
	if C.sessl_seal_key_id(bytePtr(key), bytePtr(sum[:])) == 0 {
		return id, ErrNoMemory
	}
	return [sealKeyIDLen]byte(sum[:]), nil
}

// derive makes the key for the bytes sealed after head. The caller wipes it.
func (s *sealKey) derive(head []byte) ([]byte, error) {
	out := make([]byte, SealKeyLen)
	if C.sessl_seal_derive(bytePtr(s.key[:]), bytePtr(head), C.size_t(len(head)), bytePtr(out)) == 0 {
		return nil, ErrNoMemory
	}
	return out, nil
}
