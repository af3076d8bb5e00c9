package hostile_test

import (
	"bytes"
	"slices"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
)

// A record of another kind before the first ClientHello, or between the records of one, ends the
// handshake: libssl reads past some of those in the second one, and would get its rest in parts.
func TestNothingBetweenHelloRecords(t *testing.T) {
	others := map[string][]byte{
		"a warning":           {21, 3, 3, 0, 2, 1, 90},
		"change_cipher_spec":  {20, 3, 3, 0, 1, 1},
		"application data":    {23, 3, 3, 0, 1, 1},
		"an alert of no size": {21, 3, 3, 0, 0},
	}
	ssltest.ForEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		message := ssltest.RawHello{Share: true}.Record()[5:]
		for _, again := range []bool{false, true} {
			for name, other := range others {
				for _, first := range []int{0, 1, 4, 40} {
					if again && first == 0 {
						continue // there it may come, and is libssl's
					}
					hello := slices.Concat(inRecords(message[:first], max(first, 1)), other, inRecords(message[first:],
						1<<14))
					kind, body, err := answerToHello(t, ssltest.ServerConfig(t), again, hello, len(hello))
					if kind != 21 || !bytes.Equal(body, []byte{2, 10}) || err == nil {
						t.Errorf("%s behind %d bytes, again %v: answered with %d: %x; %v", name, first, again, kind, body, err)
					}
				}
			}
		}
	})
}
