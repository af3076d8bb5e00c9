package ssl_test

import (
	"bytes"
	"crypto/rand"
	"testing"

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
