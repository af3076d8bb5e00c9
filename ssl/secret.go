package ssl

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// maxSecretFile is far more than any key takes; /dev/zero has no end.
const maxSecretFile = 1 << 20

// readSecret is os.ReadFile for what is to be wiped by the caller: no other copy is left
// behind when the buffer has to grow, or on error.
func readSecret(name string) (_ []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, 0, 4096)
	for {
		n, err := f.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case err == io.EOF:
			return b, nil
		case err == nil && len(b) > maxSecretFile:
			err = fmt.Errorf("%s: %w", name, ErrTooLarge)
		case err == nil && len(b) == cap(b):
			grown := make([]byte, len(b), 2*cap(b))
			copy(grown, b)
			clear(b)
			b = grown
		}
		if err != nil {
			clear(b)
			return nil, err
		}
	}
}

// hasNUL: C would see the text up to there only.
func hasNUL(s string) bool { return strings.IndexByte(s, 0) >= 0 }
