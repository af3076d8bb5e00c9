package ssl

/*
#cgo noescape sessl_ticket_key_new
#cgo nocallback sessl_ticket_key_new
#cgo nocallback sessl_ticket_key_up_ref
#cgo nocallback sessl_ticket_key_free
#cgo noescape sessl_ticket_key_bytes
#cgo nocallback sessl_ticket_key_bytes
#cgo noescape sessl_ticket_keys_new
#cgo nocallback sessl_ticket_keys_new
#cgo noescape sessl_ticket_keys_set
#cgo nocallback sessl_ticket_keys_set
#cgo nocallback sessl_ticket_keys_free
#cgo noescape sessl_ticket_keys_get_stats
#cgo nocallback sessl_ticket_keys_get_stats
#include "ticket.h"
*/
import "C"

import (
	"unsafe"
)

type (
	ticketKeyPtr  = *C.sessl_ticket_key
	ticketKeysPtr = *C.sessl_ticket_keys
)

func freeTicketKey(p ticketKeyPtr)   { C.sessl_ticket_key_free(p) }  // -1; the last reference wipes the key
func freeTicketKeys(p ticketKeysPtr) { C.sessl_ticket_keys_free(p) } // -1; each SSL_CTX has its own

// upTicketKey takes one more reference on the key.
func upTicketKey(p ticketKeyPtr) ticketKeyPtr {
	C.sessl_ticket_key_up_ref(p) // +1
	return p
}

// readTicketKey makes the object of a key of 48 or 80 bytes; returns +1.
func readTicketKey(op string, b []byte, aesFirst bool) (ticketKeyPtr, error) {
	return newTicketKey(op, bytePtr(b), len(b), aesFirst)
}

func randomTicketKey(op string) (ticketKeyPtr, error) {
	return newTicketKey(op, nil, ticketKeyLong, false)
}

func newTicketKey(op string, b *C.uint8_t, n int, aesFirst bool) (ticketKeyPtr, error) {
	var e cErr
	p := C.sessl_ticket_key_new(b, C.size_t(n), cBool(aesFirst), &e)
	if p == nil {
		return nil, asError(op, nil, &e)
	}
	return p, nil
}

// ticketKeyBytes is the whole key; the caller wipes it.
func ticketKeyBytes(p ticketKeyPtr, aesFirst bool) []byte {
	b := make([]byte, ticketKeyLong)
	n := C.sessl_ticket_key_bytes(p, cBool(aesFirst), bytePtr(b))
	return b[:int(n)]
}

func ticketKeyNameOf(p ticketKeyPtr) (name ticketKeyName) {
	b := ticketKeyBytes(p, false)
	defer clear(b)
	copy(name[:], b)
	return name
}

// newTicketKeys makes the object that SSL_CTXs share. It takes references of its own on
// the keys. The first encrypts if it is the current one.
func newTicketKeys(op string, ring []ringKey) (ticketKeysPtr, error) {
	var e cErr
	keys := ptrsOf(ring)
	// Returns +1.
	p := C.sessl_ticket_keys_new(unsafe.SliceData(keys), C.size_t(len(keys)), cBool(seals(ring)), &e)
	if p == nil {
		return nil, asError(op, nil, &e)
	}
	return p, nil
}

// replaceTicketKeys makes handshakes use the keys of ring from now on.
func replaceTicketKeys(op string, p ticketKeysPtr, ring []ringKey) error {
	var e cErr
	keys := ptrsOf(ring)
	if C.sessl_ticket_keys_set(p, unsafe.SliceData(keys), C.size_t(len(keys)), cBool(seals(ring)), &e) == 0 {
		return asError(op, nil, &e)
	}
	return nil
}

func readTicketStats(p ticketKeysPtr) TicketKeyStats {
	var st C.sessl_ticket_stats
	C.sessl_ticket_keys_get_stats(p, &st)
	return TicketKeyStats{Issued: uint64(st.issued), Resumed: uint64(st.resumed), Renewed: uint64(st.renewed),
		Declined: uint64(st.declined), Unknown: uint64(st.unknown),
		Withheld: uint64(st.withheld)}
}
