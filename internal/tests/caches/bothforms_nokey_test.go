package caches_test

import (
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A server with both forms and no current ticket key keeps every session in its cache. What clients
// have in tickets of other keys resumes nevertheless.
func TestBothFormsWithoutTicketKey(t *testing.T) {
	forEachCaller(t, func(t *testing.T, c caller, ids bool, _ ssl.ReuseState, srv *ssl.Config) {
		fleet := ssltest.NewFleet(t, srv)
		issuer := fleet.Machine(false)
		fleet.Keys = ssl.TicketKeySet{Old: []ssl.TicketKey{fleet.Keys.Current}}
		machines := []*ssl.Ctx{fleet.Machine(ids), fleet.Machine(ids)}
		onlyTickets := c.name == "crypto/tls" && c.version == ssl.VersionTLS12
		visit := c.begin(t, c.version)
		for i := range 5 {
			m := machines[i%2]
			_, server := visit(t, m)
			want := ssltest.If(i == 0 || onlyTickets, c.first, ssl.ReusedID)
			if state := server.ReuseState(); state != want {
				t.Fatalf("visit %d: %q, want %q", i, state, want)
			}
			ssltest.StatsOf(t, m) // the store has it
		}
		visit = c.begin(t, c.version)
		visit(t, issuer)
		ssltest.StatsOf(t, issuer)
		if _, server := visit(t, machines[0]); server.ReuseState() != c.tickets {
			t.Errorf("a session of before: %q, want %q", server.ReuseState(), c.tickets)
		}
		visit = c.begin(t, c.version)
		visit(t, ssltest.NewFleet(t, srv).Machine(false)) // of strangers, whose tickets are of no use
		for i, want := range []bool{false, !onlyTickets} {
			if reused, server := visit(t, machines[0]); reused != want {
				t.Errorf("a stranger's ticket, visit %d: %q", i, server.ReuseState())
			}
			ssltest.StatsOf(t, machines[0])
		}
		for i, m := range machines {
			if st := ssltest.StatsOf(t, m).TicketKeys; st.Issued != 0 || st.Withheld != 0 {
				t.Errorf("machine %d: %+v", i, st)
			}
		}
	})
}
