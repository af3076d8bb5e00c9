package ssl_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// After Close nothing is left of the keys where they were; they have never been anywhere else.
func TestSealKeysAreWiped(t *testing.T) {
	keys := make([][]byte, 5)
	for i := range keys {
		keys[i] = make([]byte, ssl.SealKeyLen)
		rand.Read(keys[i])
	}
	k, err := ssl.NewSealKeys(keys[0], keys[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	memory, room := ssl.SealKeyMemory(k)
	if room != len(keys) {
		t.Errorf("the keys have moved: room for %d", room)
	}
	for i, m := range memory {
		if !bytes.Equal(m, keys[i]) {
			t.Fatalf("key %d is not where it should be", i)
		}
	}
	k.Close()
	for i, m := range memory {
		if bytes.Count(m, []byte{0}) != len(m) {
			t.Errorf("key %d is still there", i)
		}
	}
}

// Keys that were replaced are wiped where they were, also those that stay: they are copies by then.
func TestReplacedSealKeysAreWiped(t *testing.T) {
	leakcheck.Test(t)
	keys := make([][]byte, 3)
	for i := range keys {
		keys[i] = make([]byte, ssl.SealKeyLen)
		rand.Read(keys[i])
	}
	k, err := ssl.NewSealKeys(keys[0], keys[1])
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	memory, _ := ssl.SealKeyMemory(k)
	if err := k.SetKeys(keys[2], keys[0]); err != nil {
		t.Fatal(err)
	}
	for i, m := range memory {
		if bytes.Count(m, []byte{0}) != len(m) {
			t.Errorf("key %d is still there", i)
		}
	}
	now, _ := ssl.SealKeyMemory(k)
	if len(now) != 2 || !bytes.Equal(now[0], keys[2]) || !bytes.Equal(now[1], keys[0]) {
		t.Errorf("%d keys, not those that were set", len(now))
	}
}

// Whatever key of a list is refused, those before it are not left in memory.
func TestRefusedSealKeysAreWiped(t *testing.T) {
	leakcheck.Test(t)
	keys := make([][]byte, 3)
	for i := range keys {
		keys[i] = make([]byte, ssl.SealKeyLen)
		rand.Read(keys[i])
	}
	for name, bad := range map[string][]byte{"short": keys[2][1:], "zeros": make([]byte, ssl.SealKeyLen),
		"twice": keys[0]} {
		memory, err := ssl.SealKeysIn(4, keys[0], keys[1], bad)
		if !errors.Is(err, ssl.ErrConfig) {
			t.Errorf("%s: %v, want ErrConfig", name, err)
		}
		for i, m := range memory {
			if bytes.Count(m, []byte{0}) != len(m) {
				t.Errorf("%s: key %d is still there", name, i)
			}
		}
	}
}
