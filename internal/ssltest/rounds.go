package ssltest

import "flag"

var long = flag.Bool("long", false, "repeat in full what is usually repeated less often")

// Rounds is how often a test repeats something: usually, with -long, and under the race detector or
// AddressSanitizer, which make everything several times slower.
func Rounds(usual, inFull, checked int) int {
	switch {
	case UnderChecker:
		return checked
	case *long:
		return inFull
	}
	return usual
}
