// Package peers connects sessl, in both roles, with programs that know nothing of it, and asks
// these programs whether the session was reused. docs/interop.md says how each program reports
// it.
package peers

import (
	"os"
	"testing"

	"sessl/internal/leakcheck"
)

func TestMain(m *testing.M) {
	if p := os.Getenv(machineVar); p != "" {
		leakcheck.Main(machineRun{p})
	}
	for _, p := range clients {
		for _, f := range p.forms {
			declare("client", p.name, f)
		}
	}
	for _, p := range servers {
		for _, f := range p.forms {
			declare("server", p.name, f)
		}
	}
	eachReturn(func(house int, g guest, v uint16) {
		declare("client", g.name, returning(houses[house].name, v))
	})
	for _, s := range sharings {
		for _, n := range fleetSizes {
			for _, tr := range s.travels(n) {
				declare("client", tr.guest.name, tr.form)
			}
		}
	}
	leakcheck.Main(matrixRun{m})
}
