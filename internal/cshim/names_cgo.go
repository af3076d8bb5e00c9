package cshim

/*
#cgo noescape sessl_der_is_for
#cgo nocallback sessl_der_is_for
#include "trust.h"
*/
import "C"

import (
	"net/netip"
	"unsafe"
)

// CertIsFor reports what a client would say of a certificate in DER, for tests; host is in
// the form that package ssl gives to names.
func CertIsFor(der []byte, host string) bool {
	var ip []byte
	if addr, err := netip.ParseAddr(host); err == nil {
		ip = addr.AsSlice()
	}
	name := (*C.char)(unsafe.Pointer(unsafe.StringData(host)))
	return C.sessl_der_is_for((*C.uint8_t)(unsafe.SliceData(der)), C.size_t(len(der)), name, C.size_t(len(host)),
		(*C.uint8_t)(unsafe.SliceData(ip)), C.size_t(len(ip))) != 0
}
