package ssl

/*
#include "cshim.h"
*/
import "C"

import (
	"encoding/binary"
	"unsafe"
)

// packed is the session with what DER leaves out and this process knows: for whom its peer
// was verified, and the peer's chain. Only what is sealed may be unpacked: it is believed.
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
	n := 0
	for _, part := range parts {
		n += 4 + len(part)
	}
	b := make([]byte, 0, n) // never grown: that would leave a copy
	for _, part := range parts {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(part))), part...)
	}
	return b, nil
}

// unpack is the inverse of packed. The caller owns the result.
func unpack(op string, b []byte) (*Session, error) {
	r := reader(b)
	s, err := ParseSession(r.take(r.number(4)))
	if err != nil {
		return nil, err
	}
	err = s.write(op, func(p sessionPtr) error {
		for _, kind := range []C.int{C.SESSL_STAMP, C.SESSL_CHAIN} {
			note := r.take(r.number(4))
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
