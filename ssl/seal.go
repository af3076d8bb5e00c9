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

// SealKeys encrypt sessions for stores outside of the process (AES-256-GCM): a session is as
// good as its master secret, so a store must see neither, and what comes back must be what
// was given. The first key seals, all of them open: to change keys, put the new one behind the
// old on every machine, then in front, then drop the old one.
//
// Each seal has a key of its own, derived from 16 random bytes, so that one SealKeys is good
// for any number of sessions. Its methods may be called from several goroutines at once.
type SealKeys struct {
	mu   sync.RWMutex
	keys []sealKey
}

type sealKey struct {
	id  [sealKeyIDLen]byte // tells which key, and nothing about it
	key [SealKeyLen]byte
}

const (
	sealVersion  = 1
	sealKeyIDLen = 4
	sealSaltLen  = 16
	sealHeadLen  = 1 + sealKeyIDLen + sealSaltLen
)

// NewSealKeys makes SealKeys of 32 random bytes each, which are copied. No key, one of
// another length, one that has the same byte 32 times as a buffer that was never filled has, and
// equal ones are ErrConfig.
func NewSealKeys(current []byte, old ...[]byte) (*SealKeys, error) {
	return sealKeysIn(make([]sealKey, 0, 1+len(old)), append([][]byte{current}, old...))
}

// sealKeysIn copies the keys to room, which is never moved: Close could not wipe what was left.
// After an error nothing is left in room either.
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

// Close wipes the keys; nothing is sealed or opened afterwards. Later calls do nothing.
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

// String names the type, and tells nothing of the keys.
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

// aead is the cipher for one seal. Its nonce is all zeros, for its key is used once.
func (s *sealKey) aead(head []byte) (cipher.AEAD, error) {
	derived, err := s.derive(head)
	if err != nil {
		return nil, err
	}
	defer clear(derived)
	block, err := aes.NewCipher(derived)
	if err != nil {
		panic(err) // the length is right
	}
	return cipher.NewGCM(block)
}

var sealNonce = make([]byte, 12)

// seal encrypts plain, which it wipes. It can be opened with the same what only.
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

// open is the inverse of seal. The caller wipes what it returns.
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
