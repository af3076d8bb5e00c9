package ssl

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// maxSecretFile is far more than any key takes. Without a limit, /dev/zero would never end.
const maxSecretFile = 1 << 20

// readSecret is os.ReadFile for content that the caller wipes: it leaves no other copy
// in memory, neither when the buffer grows nor after an error.
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

// hasNUL reports whether s has a NUL byte, at which C would end the text.
func hasNUL(s string) bool { return strings.IndexByte(s, 0) >= 0 }

// appendWiped is append for a secret: when the slice grows, the old place is wiped.
func appendWiped(to, b []byte) []byte {
	if len(to)+len(b) > cap(to) {
		grown := append(make([]byte, 0, 2*cap(to)+len(b)), to...)
		clear(to)
		to = grown
	}
	return append(to, b...)
}

// takeWiped moves as much as b has room for from the front of from to b, and wipes it there.
func takeWiped(b []byte, from *[]byte) int {
	n := copy(b, *from)
	clear((*from)[:n])
	*from = (*from)[n:]
	return n
}
