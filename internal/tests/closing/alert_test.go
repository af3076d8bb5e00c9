package closing_test

import (
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// Only what the peer has sent is its alert: libssl has reasons of its own with such numbers, one for
// a staple that it cannot parse.
func TestAlertIsThePeers(t *testing.T) {
	leakcheck.Test(t)
	for _, c := range []struct {
		entry ssl.Entry
		alert uint8
		ok    bool
	}{
		{ssl.Entry{Library: "SSL routines", ReasonCode: 1113, Data: "SSL alert number 113"}, 113, true},
		{ssl.Entry{Library: "SSL routines", ReasonCode: 1000, Data: "SSL alert number 0"}, 0, true},
		{ssl.Entry{Library: "SSL routines", ReasonCode: 1113}, 0, false},
		{ssl.Entry{Library: "SSL routines", ReasonCode: 1113, Data: "a staple"}, 0, false},
		{ssl.Entry{Library: "system library", ReasonCode: 1113, Data: "SSL alert number 113"}, 0, false},
	} {
		e := &ssl.Error{Op: "handshake", Entries: []ssl.Entry{{Library: "x"}, c.entry}}
		if alert, ok := e.Alert(); alert != c.alert || ok != c.ok {
			t.Errorf("%+v: %d, %t", c.entry, alert, ok)
		}
	}
}
