package ssl

/*
#cgo noescape sessl_conn_set_name
#cgo nocallback sessl_conn_set_name
#include "cshim.h"
*/
import "C"

import (
	"net/netip"
	"unsafe"
)

// setName has SNI sent (SSL_set_tlsext_host_name), unless it is an address, and the name demanded of
// the certificate where the Ctx verifies.
func (c *Conn) setName(op string, p connPtr) error {
	var ip []byte
	if addr, err := netip.ParseAddr(c.name); err == nil {
		ip = addr.AsSlice()
	}
	name := (*C.char)(unsafe.Pointer(unsafe.StringData(c.name)))
	var e cErr
	if C.sessl_conn_set_name(p, name, C.size_t(len(c.name)), bytePtr(ip), C.size_t(len(ip)), cBool(c.ctx.verify), &e) == 0 {
		return asError(op, ErrNoMemory, &e) // hostName has left nothing else to fail
	}
	return nil
}
