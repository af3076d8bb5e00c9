package ssl

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"sessl/internal/clock"
)

// SealKeyLen is the length of a key for [NewSealKeys].
const SealKeyLen = 32

// SealKeys encrypt sessions for stores outside of the process (AES-256-GCM). A session
// contains its master secret, so a store must neither read what it keeps nor return anything
// that was not sealed. The first key seals; all keys open. SetKeys and Reload change the keys of
// servers and caches that are at work: on every machine add the new key behind the old one, then
// put it first, then drop the old one.
//
// Each seal has a key of its own, derived from 16 random bytes, so that one SealKeys is good
// for any number of sessions. Its methods may be called from several goroutines at once.
type SealKeys struct {
	writing   sync.Mutex // held while keys are replaced
	reloading sync.Mutex // held while files are read, before writing
	files     []string   // for Reload

	mu   sync.RWMutex
	keys []sealKey
	ids  handle[idKeysPtr] // of keys, for a cache with a store; adopted and used under mu, lent without

	stats sealCounters
}

type sealKey struct {
	id    [sealKeyIDLen]byte // tells which key it is, but nothing about it
	since time.Time          // when these SealKeys got it
	key   [SealKeyLen]byte
}

const (
	sealVersion  = 1
	sealKeyIDLen = 4
	sealSaltLen  = 16
	sealHeadLen  = 1 + sealKeyIDLen + sealSaltLen
	sealTagLen   = 16
)

// NewSealKeys makes SealKeys from keys of 32 random bytes, which it copies. It returns ErrConfig if there
// are more than 64 keys, or if a key is not 32 bytes long, repeats one byte 32 times (an unfilled
// buffer), or equals another.
func NewSealKeys(current []byte, old ...[]byte) (*SealKeys, error) {
	return sealKeysFrom("NewSealKeys", append([][]byte{current}, old...))
}

const maxSealKeys = 64

func sealKeysFrom(op string, keys [][]byte) (*SealKeys, error) {
	if len(keys) > maxSealKeys {
		return nil, fail(op, configError("%d keys, at most %d are possible", len(keys), maxSealKeys))
	}
	return sealKeysIn(op, make([]sealKey, 0, len(keys)), keys)
}

// sealKeysIn copies the keys to room, which must not be moved: Close could not wipe the old place.
// After an error no key is left in room.
func sealKeysIn(op string, room []sealKey, keys [][]byte) (made *SealKeys, err error) {
	k := &SealKeys{keys: room}
	defer func() {
		if err != nil {
			k.Close()
		}
	}()
	now := clock.Now()
	for _, b := range keys {
		if len(b) != SealKeyLen {
			return nil, fail(op, configError("a key has %d bytes, it must be %d", len(b), SealKeyLen))
		}
		if bytes.Count(b, b[:1]) == len(b) {
			return nil, fail(op, configError("a key has the byte %#02x %d times: it is not random", b[0], len(b)))
		}
		id, err := sealKeyIDOf(b)
		if err == nil && k.find(id[:]) >= 0 {
			err = configError("a key is there twice")
		}
		if err != nil {
			return nil, fail(op, err)
		}
		k.keys = k.keys[:len(k.keys)+1]
		s := &k.keys[len(k.keys)-1]
		s.id, s.since = id, now
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
	k.replaceIDKeys(nil) // an SSL_CTX may live on
	k.ids.close()
	return nil
}

// String names the type, and shows nothing of the keys.
func (k *SealKeys) String() string { return "ssl.SealKeys" }

// GoString is String.
func (k *SealKeys) GoString() string { return k.String() }

// Format writes String for every verb: %d would show the keys.
func (k *SealKeys) Format(s fmt.State, _ rune) { io.WriteString(s, k.String()) }

// find returns the index of the key with that id, or -1. mu is held.
func (k *SealKeys) find(id []byte) int {
	return slices.IndexFunc(k.keys, func(s sealKey) bool { return bytes.Equal(s.id[:], id) })
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

// seal encrypts plain. Only open with the same purpose decrypts the result.
func (k *SealKeys) seal(plain []byte, purpose string) ([]byte, error) {
	out := make([]byte, sealHeadLen, sealHeadLen+len(plain)+sealTagLen)
	out[0] = sealVersion
	rand.Read(out[1+sealKeyIDLen:])
	aead, err := k.sealer(out)
	if err != nil {
		return nil, err
	}
	k.stats.sealed.Add(1)
	return aead.Seal(out, sealNonce, plain, []byte(purpose)), nil
}

// sealer completes head and returns the cipher for it. The encryption itself needs no lock, so keys can
// be replaced meanwhile.
func (k *SealKeys) sealer(head []byte) (cipher.AEAD, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if len(k.keys) == 0 {
		return nil, ErrClosed
	}
	copy(head[1:], k.keys[0].id[:])
	return k.keys[0].aead(head)
}

// opener returns the cipher for head, and whether its key is the current one.
func (k *SealKeys) opener(head []byte) (aead cipher.AEAD, current bool, err error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	i := k.find(head[1 : 1+sealKeyIDLen])
	switch {
	case len(k.keys) == 0:
		return nil, false, ErrClosed
	case i < 0:
		k.stats.unknown.Add(1)
		return nil, false, ErrSealed
	}
	aead, err = k.keys[i].aead(head)
	return aead, i == 0, err
}

// open is the inverse of seal. The caller wipes what it returns.
func (k *SealKeys) open(sealed []byte, purpose string) ([]byte, error) {
	if k.empty() {
		return nil, ErrClosed
	}
	if len(sealed) < sealHeadLen+sealTagLen || sealed[0] != sealVersion {
		k.stats.damaged.Add(1)
		return nil, ErrMalformed
	}
	aead, current, err := k.opener(sealed[:sealHeadLen])
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, sealNonce, sealed[sealHeadLen:], []byte(purpose))
	switch {
	case err != nil:
		k.stats.damaged.Add(1)
		return nil, ErrSealed
	case current:
		k.stats.current.Add(1)
	default:
		k.stats.old.Add(1)
	}
	return plain, nil
}
