package ssl

/*
#include "session.h"
*/
import "C"

import (
	"encoding/binary"
	"unsafe"
)

// packedVersion is the first byte of a packed session. It must change with every change
// of the form or of a note's meaning: machines of a fleet may run different versions of
// this package, and must either read each other's sessions or get ErrMalformed.
const packedVersion = 1

// packed is the session with what DER leaves out: for whom this process verified its
// peer, and the peer's chain. unpack trusts both, so only sealed bytes may be unpacked.
func (s *Session) packed() ([]byte, error) {
	const op = "Session.seal"
	der, err := s.MarshalBinary()
	if err != nil {
		return nil, err
	}
	defer clear(der)
	parts := [][]byte{der, nil, nil}
	err = s.read(op, func(p sessionPtr) error {
		for i, kind := range []C.int{C.SESSL_STAMP, C.SESSL_CHAIN} {
			var out *C.uint8_t
			n := C.sessl_session_note(p, kind, &out)
			parts[1+i] = C.GoBytes(unsafe.Pointer(out), C.int(n))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	n := 1
	for _, part := range parts {
		n += 4 + len(part)
	}
	b := append(make([]byte, 0, n), packedVersion) // never grown: that would leave a copy
	for _, part := range parts {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(part))), part...)
	}
	return b, nil
}

// unpack is the inverse of packed. The caller owns the result. Another form gives
// ErrMalformed: the seal shows who made the bytes, but not with which version.
func unpack(op string, b []byte) (*Session, error) {
	r := reader(b)
	if r.uint8() != packedVersion {
		return nil, fail(op, ErrMalformed)
	}
	var parts [3][]byte
	for i := range parts {
		if len(r) < 4 {
			return nil, fail(op, ErrMalformed)
		}
		n := r.number(4)
		if n < 0 || n > len(r) { // below 0 where an int has 32 bits
			return nil, fail(op, ErrMalformed)
		}
		parts[i] = r.take(n)
	}
	if _, ok := decodePeerChain(parts[2]); !ok || len(r) > 0 {
		return nil, fail(op, ErrMalformed)
	}
	s, err := ParseSession(parts[0])
	if err != nil {
		return nil, err
	}
	err = s.write(op, func(p sessionPtr) error {
		for i, kind := range []C.int{C.SESSL_STAMP, C.SESSL_CHAIN} {
			note := parts[1+i]
			if len(note) > 0 && C.sessl_session_set_note(p, kind, bytePtr(note), C.size_t(len(note))) == 0 {
				return fail(op, ErrNoMemory)
			}
		}
		return nil
	})
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}
