package ssl

/*
#cgo nocallback sessl_id_ring_new
#cgo noescape sessl_id_ring_add
#cgo nocallback sessl_id_ring_add
#cgo nocallback sessl_id_ring_free
#cgo nocallback sessl_id_keys_new
#cgo nocallback sessl_id_keys_set
#cgo nocallback sessl_id_keys_free
#cgo noescape sessl_id_keys_made
#cgo nocallback sessl_id_keys_made
#include "cache.h"
*/
import "C"

// idKeysPtr is what C needs of SealKeys to make ids of sessions: SSL_CTXs have references of their own.
type idKeysPtr = *C.sessl_id_keys

var idKeysKind = kind[idKeysPtr]{name: "idkeys", free: freeIDKeys, gone: ErrClosed}

func freeIDKeys(p idKeysPtr) { C.sessl_id_keys_free(p) } // -1; each SSL_CTX has its own

// markIDs has the ids of sessions made and recognized with these keys, for a cache with a store.
func (k *SealKeys) markIDs() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.keys) == 0 {
		return ErrClosed
	}
	if k.ids.obj != nil {
		return nil
	}
	ring, err := idRing(k.keys)
	if err != nil {
		return err
	}
	p := C.sessl_id_keys_new(ring) // returns +1, and has taken over the ring
	if p == nil {
		C.sessl_id_ring_free(ring) // -1: it was not taken over
		return ErrNoMemory
	}
	k.ids.adopt(&idKeysKind, p)
	return nil
}

// idRing derives the keys that belong to keys; returns +1.
func idRing(keys []sealKey) (*C.sessl_id_ring, error) {
	ring := C.sessl_id_ring_new(C.size_t(len(keys))) // returns +1
	if ring == nil {
		return nil, ErrNoMemory
	}
	for i := range keys {
		if C.sessl_id_ring_add(ring, bytePtr(keys[i].key[:])) == 0 {
			C.sessl_id_ring_free(ring) // -1
			return nil, ErrNoMemory
		}
	}
	return ring, nil
}

// replaceIDKeys makes ids follow keys, if there are ids at all; without keys they are marked no more.
// mu is held.
func (k *SealKeys) replaceIDKeys(keys []sealKey) error {
	p, err := k.ids.acquire()
	if err != nil {
		return nil // no cache has asked for them, or all is closed
	}
	defer k.ids.release()
	var ring *C.sessl_id_ring
	if len(keys) > 0 {
		if ring, err = idRing(keys); err != nil {
			return err
		}
	}
	C.sessl_id_keys_set(p, ring) // takes over the ring
	return nil
}

// madeID reports whether a server with one of the keys has made that session id.
func (k *SealKeys) madeID(id []byte) bool {
	p, err := k.ids.acquire()
	if err != nil {
		return false
	}
	defer k.ids.release()
	return C.sessl_id_keys_made(p, bytePtr(id), C.size_t(len(id))) != 0
}

// withIDKeys lends the pointer to f: nil if there are no keys.
func (k *SealKeys) withIDKeys(f func(idKeysPtr) error) error {
	p, err := k.ids.acquire()
	if err != nil {
		return f(nil) // closed: nothing will be sealed, either
	}
	defer k.ids.release()
	return f(p)
}
