package ssl_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"sessl/ssl"
)

// inMemory is how often a secret, of which masked is the complement, is in memory that this
// process can write.
func inMemory(t testing.TB, masked []byte) (n int) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	buf := make([]byte, 1<<20)
	for line := range strings.Lines(string(maps)) {
		var lo, hi int64
		var perm string
		fmt.Sscanf(line, "%x-%x %s", &lo, &hi, &perm)
		if !strings.HasPrefix(perm, "rw") || hi-lo > 1<<30 {
			continue
		}
		for at := lo; at < hi; at += int64(len(buf) - len(masked)) {
			got, _ := mem.ReadAt(buf[:min(int64(len(buf)), hi-at)], at)
			n += complements(buf[:got], masked)
		}
	}
	return n
}

// complements counts them where they are, for any copy would be found as well.
func complements(in, masked []byte) (n int) {
	for {
		i := bytes.IndexByte(in, ^masked[0])
		if i < 0 || i+len(masked) > len(in) {
			return n
		}
		j := 0
		for j < len(masked) && in[i+j] == ^masked[j] {
			j++
		}
		if j == len(masked) {
			n++
		}
		in = in[i+1:]
	}
}

// After Close no key is left: not in a slice that has grown, nor in what its id was made of.
func TestSealKeysAreWiped(t *testing.T) {
	keys := make([][]byte, 3)
	masked := make([][]byte, len(keys))
	for i := range keys {
		keys[i] = make([]byte, ssl.SealKeyLen)
		rand.Read(keys[i])
		for _, b := range keys[i] {
			masked[i] = append(masked[i], ^b)
		}
	}
	k, err := ssl.NewSealKeys(keys[0], keys[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		clear(key)
	}
	if inMemory(t, masked[0]) == 0 {
		t.Fatal("the search does not find a key that is there")
	}
	k.Close()
	runtime.GC()
	for i := range masked {
		if n := inMemory(t, masked[i]); n > 0 {
			t.Errorf("key %d is in memory %d times", i, n)
		}
	}
}
