package ssl

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"sync"
)

// SealKeyLen is the length of a key for [NewSealKeys].
const SealKeyLen = 32

// SealKeys encrypt sessions for stores outside of the process (AES-256-GCM). A session
// contains its master secret, so a store must neither read what it keeps nor return anything
// that was not sealed. The first key seals; all keys open. To replace a key, add the new key
// behind the old one on every machine, then put it first, then drop the old one.
//
// Each seal has a key of its own, derived from 16 random bytes, so that one SealKeys is good
// for any number of sessions. Its methods may be called from several goroutines at once.
type SealKeys struct {
	mu   sync.RWMutex
	keys []sealKey
}

type sealKey struct {
	id  [sealKeyIDLen]byte // tells which key it is, but nothing about it
	key [SealKeyLen]byte
}

const (
	sealVersion  = 1
	sealKeyIDLen = 4
	sealSaltLen  = 16
	sealHeadLen  = 1 + sealKeyIDLen + sealSaltLen
)

// NewSealKeys makes SealKeys from keys of 32 random bytes, which it copies. It returns
// ErrConfig if there is no key, if a key is not 32 bytes long, repeats one byte 32
// times (an unfilled buffer), or equals another.
func NewSealKeys(current []byte, old ...[]byte) (*SealKeys, error) {
	return sealKeysIn(make([]sealKey, 0, 1+len(old)), append([][]byte{current}, old...))
}

// sealKeysIn copies the keys to room, which must not be moved: Close could not wipe the
// old place. After an error no key is left in room.
func sealKeysIn(room []sealKey, keys [][]byte) (made *SealKeys, err error) {
	const op = "NewSealKeys"
	k := &SealKeys{keys: room}
	defer func() {
		if err != nil {
			k.Close()
		}
	}()
	for _, b := range keys {
		if len(b) != SealKeyLen {
			return nil, fail(op, configError("a key has %d bytes, it must be %d", len(b), SealKeyLen))
		}
		if bytes.Count(b, b[:1]) == len(b) {
			return nil, fail(op, configError("a key has the byte %#02x %d times: it is not random", b[0], len(b)))
		}
		id, err := sealKeyIDOf(b)
		if err == nil && k.find(id[:]) != nil {
			err = configError("a key is there twice")
		}
		if err != nil {
			return nil, fail(op, err)
		}
		k.keys = k.keys[:len(k.keys)+1]
		s := &k.keys[len(k.keys)-1]
		s.id = id
		copy(s.key[:], b)
	}
	return k, nil
}

func (k *SealKeys) empty() bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return len(k.keys) == 0
}

// Close wipes the keys. Nothing can be sealed or opened afterwards. Later calls do nothing.
func (k *SealKeys) Close() error {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.keys)
	k.keys = nil
	return nil
}

// String names the type, and shows nothing of the keys.
func (k *SealKeys) String() string { return "ssl.SealKeys" }

// GoString is String.
func (k *SealKeys) GoString() string { return k.String() }

func (k *SealKeys) find(id []byte) *sealKey {
	for i := range k.keys {
		if bytes.Equal(k.keys[i].id[:], id) {
			return &k.keys[i]
		}
	}
	return nil
}

// aead is the cipher for one seal. Its nonce may be all zeros, because its key is used once.
func (s *sealKey) aead(head []byte) (cipher.AEAD, error) {
	derived, err := s.derive(head)
	if err != nil {
		return nil, err
	}
	defer clear(derived)
	block, err := aes.NewCipher(derived)
	if err != nil {
		panic(err) // cannot happen: the length is right
	}
	return cipher.NewGCM(block)
}

var sealNonce = make([]byte, 12)

// seal encrypts plain and wipes it. Only the same what opens the result.
func (k *SealKeys) seal(plain []byte, what string) ([]byte, error) {
	defer clear(plain)
	k.mu.RLock()
	defer k.mu.RUnlock()
	if len(k.keys) == 0 {
		return nil, ErrClosed
	}
	out := make([]byte, sealHeadLen, sealHeadLen+len(plain)+16)
	out[0] = sealVersion
	copy(out[1:], k.keys[0].id[:])
	rand.Read(out[1+sealKeyIDLen:])
	aead, err := k.keys[0].aead(out)
	if err != nil {
		return nil, err
	}
	return aead.Seal(out, sealNonce, plain, []byte(what)), nil
}

// open is the inverse of seal. The caller wipes the result.
func (k *SealKeys) open(sealed []byte, what string) ([]byte, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if len(sealed) < sealHeadLen || sealed[0] != sealVersion {
		return nil, ErrMalformed
	}
	head := sealed[:sealHeadLen]
	key := k.find(head[1 : 1+sealKeyIDLen])
	if key == nil {
		return nil, ErrSealed
	}
	aead, err := key.aead(head)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, sealNonce, sealed[sealHeadLen:], []byte(what))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}
