package neighbours

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"testing"

	"sessl/valkeystore/internal/schedule"
)

// A fake is a key whose bytes can be told apart. It remembers what it has given out.
type fake struct {
	n     byte
	given [][]byte
}

func (f *fake) Name() string { return fmt.Sprint(f.n) }

func (f *fake) SecretBytes() ([]byte, error) {
	b := bytes.Repeat([]byte{f.n}, schedule.SecretLen)
	for i := range b {
		b[i] += byte(i) * 3
	}
	f.given = append(f.given, b)
	return b, nil
}

// wantWiped checks that nothing is left of what was given out.
func (f *fake) wantWiped(t *testing.T) {
	t.Helper()
	for _, b := range f.given {
		if len(bytes.Trim(b, "\x00")) > 0 {
			t.Errorf("key %d was not wiped", f.n)
		}
	}
}

func fakes(n int) (all []*fake) {
	for i := range n {
		all = append(all, &fake{n: byte(10 * (i + 1))})
	}
	return all
}

// setOf makes a set of the keys of those numbers: old, current, next.
func setOf(keys []*fake, old, current, next int) Set {
	return Set{Old: keys[old], Current: keys[current], Next: keys[next]}
}

// text is the key in HAProxy's form.
func (f *fake) text() string {
	b, _ := (&fake{n: f.n}).SecretBytes()
	return base64.StdEncoding.EncodeToString(append(append(b[:16:16], b[48:]...), b[16:48]...))
}
