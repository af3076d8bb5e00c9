package ssl

/*
#include <string.h>

#include "conn.h"
#include "session.h"
*/
import "C"

import (
	"unsafe"
)

func cBool(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

// takeSecret copies n bytes that the shim allocated, wipes them and frees them.
func takeSecret(p *C.uint8_t, n C.int) []byte {
	b := C.GoBytes(unsafe.Pointer(p), n)
	C.sessl_clear_free(unsafe.Pointer(p), C.size_t(n))
	return b
}

// bytePtr is the address of b's first byte, or nil for an empty slice, on which &b[0] would panic.
func bytePtr(b []byte) *C.uint8_t {
	return (*C.uint8_t)(unsafe.SliceData(b))
}

// heapString is C.GoString for strings on C's heap. Go looks for the end of a string in
// steps of 32 bytes, which memory checkers report as a read past the end.
func heapString(p *C.char) string {
	if p == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(unsafe.Pointer(p)), n))
}

type ctxPtr = *C.SSL_CTX

type connPtr = *C.sessl_conn
