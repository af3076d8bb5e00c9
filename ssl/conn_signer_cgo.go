package ssl

/*
#cgo nocallback sessl_conn_lend_thread
#cgo noescape sessl_conn_tbs
#cgo nocallback sessl_conn_tbs
#cgo noescape sessl_conn_signed
#cgo nocallback sessl_conn_signed
#include "signer.h"
*/
import "C"

import (
	"fmt"
	"slices"
	"unsafe"
)

const (
	askThread    ask = C.SESSL_ASK_THREAD    // to wait for a signature on
	askSignature ask = C.SESSL_ASK_SIGNATURE // of a crypto.Signer
)

// setOwn says which chains the connection may send, and so whether libssl may want a signature of
// Go's. mu is held, or the connection is new.
func (c *Conn) setOwn(p connPtr, chains []*ownChain) {
	c.own = chains
	p.signs = 0
	some, rsaKey := signs(chains)
	if some {
		p.signs = C.SESSL_SIGNS_SOME
	}
	if rsaKey {
		p.signs |= C.SESSL_SIGNS_RSA
	}
}

// lendThread gives the next step a thread. The caller has a place among signers, which goes with it.
func (c *Conn) lendThread() error {
	p, ok := c.enter()
	if !ok {
		return fail("handshake", ErrClosed)
	}
	defer c.leave()
	if C.sessl_conn_lend_thread(p) == 0 {
		return fail("handshake", fmt.Errorf("%w for a thread to sign on", ErrNoMemory))
	}
	p.place = 1
	return nil
}

// noteThread gives back the place of a connection that has given back its thread. mu is held.
func noteThread(p connPtr) {
	if p.place != 0 && p.signing == nil {
		p.place = 0
		signers.leave()
	}
}

// whatToSign copies what the handshake waits for, and finds whose signature it must be.
func (c *Conn) whatToSign() (*ownChain, *toSign, error) {
	p, ok := c.enter()
	if !ok {
		return nil, nil, fail("handshake", ErrClosed)
	}
	defer c.leave()
	q := C.sessl_conn_tbs(p)
	name := C.GoString(q.hash)
	hash, known := hashNames[name]
	i := slices.IndexFunc(c.own, func(o *ownChain) bool { return o.number == uint64(q.cert) && o.signer != nil })
	if !known || i < 0 {
		return nil, nil, fail("handshake", unsupportedIn("a signature with the hash "+name, ""))
	}
	return c.own[i], &toSign{hash: hash, pss: q.pss != 0,
		message: C.GoBytes(unsafe.Pointer(q.p), C.int(q.n))}, nil
}

// signed hands over the signature, for the next step.
func (c *Conn) signed(sig []byte) error {
	p, ok := c.enter()
	if !ok {
		return fail("handshake", ErrClosed)
	}
	defer c.leave()
	C.sessl_conn_signed(p, bytePtr(sig), C.size_t(len(sig)))
	return nil
}
