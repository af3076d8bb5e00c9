package hostile_test

import (
	"bytes"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
)

// What comes before the second ClientHello is libssl's while the hello is still in parts: no byte of
// the hello is taken for another then.
func TestSecondHelloBehindOthers(t *testing.T) {
	const (
		random = 4 + 2 // where it is in the message
		first  = 64    // bytes of the message in its first record
		before = 6     // records of change_cipher_spec
	)
	ssltest.ForEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		ccs := []byte{20, 3, 3, 0, 1, 1}
		message := padded(ssltest.RawHello{Share: true}.Record()[5:], 60000) // more than is read at once
		// As far behind its beginning as it is behind theirs, there seems to begin a longer one.
		copy(message[before*len(ccs):random+32], []byte{1, 1})
		hello := bytes.Repeat(ccs, before)
		hello = append(hello, inRecords(message[:first], first)...)
		hello = append(hello, inRecords(message[first:], 1<<14)...)
		kind, body, err := answerToHello(t, ssltest.ServerConfig(t), true, hello, len(hello))
		if kind != 22 || body[0] != 2 {
			t.Errorf("the second hello is answered with %d: %x; %v", kind, body, err)
		}
	})
}
