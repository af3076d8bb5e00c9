package peers

import (
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/interop/visits"
	"sessl/ssl"
)

// A server without a current ticket key gives no client a ticket, and no handshake fails. One that
// knows only ids gets its id, as always.
func TestGuestsWithoutTicketKey(t *testing.T) {
	leakcheck.Test(t)
	for _, v := range bothVersions {
		keys := ssltest.TicketKeys(t, ssl.TicketKeySet{Next: ssltest.NewTicketKey(t)})
		s := startServerWith(t, &ssl.Config{
			Certificates: []ssl.Certificate{ssltest.KeyPair(t, "server-ecdsa")},
			TicketKeys:   keys, MinVersion: v, MaxVersion: v,
		})
		for _, g := range guests {
			t.Run(g.name+"/"+ssl.VersionName(v), func(t *testing.T) {
				if g.program != "" {
					program(t, g.program)
				}
				before := stats(t, s)
				if g.name == "gnutls-cli" { // asked to wait for a ticket, it would wait for ever
					visits.GnuTLS(t, s.host(), "--priority", "NORMAL:-VERS-ALL:+VERS-TLS"+form{version: v}.number())
				} else {
					g.visit(t, s, v, 3)
				}
				if ours := s.since(t, before); ours[ssl.ReusedTicket] != 0 || ours[ssl.ReuseNoSession] == 0 ||
					g.name != "curl" && ours[ssl.ReusedID] != 0 {
					t.Errorf("%v", ours)
				}
			})
		}
		if st := keys.Stats(); st.Issued != 0 || st.Unknown != 0 || st.Withheld == 0 {
			t.Errorf("%s: %+v", ssl.VersionName(v), st)
		}
		s.finish(t)
	}
}
