package main

import (
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	api "sessl/benchmarks/contender"
)

var machine *openssl

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "contenders")
	if err == nil {
		machine, err = build("", dir)
	}
	status := 1
	if err == nil {
		status = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	os.RemoveAll(dir)
	os.Exit(status)
}

// lacking has what contenders do not have. They must say so, and have all the rest.
var lacking = map[string][]string{
	plainC: {api.TicketKeys, api.Cache},
	tunedC: {api.TicketKeys, api.Cache},
	goTLS:  {api.TicketKeys, api.Cache, api.ID, api.Table},
	least:  {api.TicketKeys, api.Cache, api.Table},
	libp2p: {api.TicketKeys, api.Cache, api.Table},
}

// Each contender runs each form, as both ends and as a server with the plain client in C, and
// resumes where the form does.
func TestEachContenderRuns(t *testing.T) {
	kinds := map[string][]func(*testCase){"": nil, " mutual": {mutual}, " RSA": {rsa}, " at once": {at(3)},
		" alone": {server, freely}}
	for _, who := range machine.contenders {
		if who.why != "" {
			t.Logf("%s does not build: %s", who.name, who.why)
			continue
		}
		for kind, change := range kinds {
			for _, form := range []string{api.Full, api.Ticket, api.TicketKeys, api.ID, api.Cache, api.Bulk, api.RTT} {
				for _, version := range []string{"1.2", "1.3"} {
					c := row(form+kind, version, form, 3, change...)
					t.Run(who.name+", "+c.name, func(t *testing.T) { mustRun(t, &c, who) })
				}
			}
		}
		for _, form := range []string{api.Idle, api.Stall} {
			c := row(form, "1.3", form, 50, server)
			t.Run(who.name+", "+form, func(t *testing.T) { mustRun(t, &c, who) })
		}
		for _, c := range bare().cases {
			c.n, c.rounds = 50, 0
			if c.form != api.Idle && slices.Contains([]string{plainC, goTLS}, who.name) {
				t.Run(who.name+", without TLS, "+c.name, func(t *testing.T) { mustRun(t, &c, who) })
			}
		}
		c := row(api.Table, "1.3", api.Table, 1000)
		t.Run(who.name+", "+api.Table, func(t *testing.T) { mustRun(t, &c, who) })
	}
}

func mustRun(t *testing.T, c *testCase, who *contender) {
	r, err := c.measure(machine, who)
	var lacks errLacks
	if errors.As(err, &lacks) != slices.Contains(lacking[who.name], c.form) {
		t.Fatalf("lacks it: %v", err)
	}
	if err != nil {
		if lacks == "" {
			t.Fatal(err)
		}
		return
	}
	want := 0
	if slices.Contains([]string{api.Ticket, api.TicketKeys, api.ID, api.Cache}, c.form) {
		want = 3
	}
	if r.Resumed != want || r.Count != c.n {
		t.Errorf("%d of %d resumed, want %d", r.Resumed, r.Count, want)
	}
	measures := map[string]float64{api.Idle: r.Bytes, api.Stall: r.Bytes, api.Table: r.Lookups}
	x, ok := measures[c.form]
	if !ok {
		x = cost.of(c, r)
	}
	if !(x > 0) || c.latency() && !(r.P50 > 0 && r.P50 <= r.P99) {
		t.Errorf("measured %g: %+v", x, r)
	}
}

func TestMedianAndRatio(t *testing.T) {
	if m := median([]float64{9, 1, 2}); m != 2 {
		t.Errorf("median %g", m)
	}
	if m := median([]float64{4, 1, 2, 9}); m != 3 {
		t.Errorf("median %g", m)
	}
	// The machine was slower in the second round: the ratio does not move.
	if q, ok := ratio([]float64{2, 20, 3}, []float64{1, 10, 1}); !ok || q != 2 {
		t.Errorf("ratio %g, %t", q, ok)
	}
	if _, ok := ratio(nil, []float64{1}); ok {
		t.Error("a ratio of nothing")
	}
}

// A case with a limit is measured that often, and what it took does not count for the next round.
func TestPlanStopsInTime(t *testing.T) {
	p := &plan{rounds: 5, budget: time.Hour, start: time.Now()}
	calls := make(map[string]int)
	g := &group{name: "g", contenders: []string{plainC, goTLS},
		cases: []testCase{{name: "a"}, {name: "b", rounds: 2}},
		measure: func(c *testCase, _ *openssl, who *contender) (*api.Report, error) {
			if calls[c.name+who.name]++; who.name == goTLS {
				return nil, errLacks("it")
			}
			if c.name == "a" && calls["a"+plainC] == 3 {
				p.budget = 0
			}
			return &api.Report{}, nil
		}}
	lib := &openssl{contenders: []*contender{{name: plainC}, {name: goTLS}}}
	p.add(lib, []*group{g}, false, regexp.MustCompile(""))
	p.run()
	want := map[string]int{"a" + plainC: 3, "b" + plainC: 2, "a" + goTLS: 1, "b" + goTLS: 1}
	if !maps.Equal(calls, want) || p.done != 3 || p.failed() != 0 {
		t.Errorf("calls %v, want %v; %d rounds, %d failed", calls, want, p.done, p.failed())
	}
}

func invented(t *testing.T) *plan {
	p := &plan{rounds: 2, done: 2}
	lib := &openssl{version: "3.0.0", contenders: []*contender{{name: plainC}, {name: goTLS}, {name: socket},
		{name: libp2p, why: "<no> & such"}}}
	p.add(lib, groups(false), false, regexp.MustCompile(`one processor: TLS 1.3, full$`))
	if len(p.groups) != 1 || len(p.groups[0].rows) != 1 {
		t.Fatalf("planned %d groups", len(p.groups))
	}
	for i, c := range p.groups[0].rows[0] {
		if c.who.why == "" {
			us := float64(100 + 50*i)
			c.reports = []*api.Report{{User: us, Count: 1}, {User: 3 * us, Count: 1}}
		}
	}
	return p
}

func TestReport(t *testing.T) {
	p := invented(t)
	var b strings.Builder
	describe(&b, p, []*openssl{p.groups[0].lib}, []string{"sid not run: no mirror"})
	p.groups[0].tables(&b)
	for _, want := range []string{
		"| TLS 1.3, full | 200 (100-300) | 300 (150-450) | 400 (200-600) | - |",
		"| TLS 1.3, full | 1 / - / 0.67 | 1.50 / - / 1 | 2.00 / - / 1.33 | - / - / - |",
		"libp2p does not build with OpenSSL 3.0.0: <no> & such",
		"sid not run: no mirror",
	} {
		if !strings.Contains(b.String(), want+"\n") {
			t.Errorf("the report lacks %q:\n%s", want, b.String())
		}
	}
}

// Which rhythm a server has is read off the sleeps, not off the processor time.
func TestRegime(t *testing.T) {
	for light, want := range map[int]string{90: "is fast", 20: "is slow"} {
		p := &plan{}
		lib := &openssl{contenders: []*contender{{name: socket}}}
		p.add(lib, groups(false), false, regexp.MustCompile("rhythms"))
		g := p.groups[0]
		for i, c := range map[string]int{bothFresh: 100, bothAfter: 10, serverLight: light} {
			k := slices.IndexFunc(g.cases, func(c testCase) bool { return strings.HasSuffix(c.name, ", "+i) })
			g.rows[k][0].reports = []*api.Report{{Sysmon: c, Count: 10}}
		}
		var b strings.Builder
		g.tables(&b)
		if !strings.Contains(b.String(), "a client each 2 ms "+want) {
			t.Errorf("%d sleeps: %s", light, b.String())
		}
	}
}

func TestCSVAndPlot(t *testing.T) {
	p := invented(t)
	records, err := csv.NewReader(strings.NewReader(string(asCSV(p)))).ReadAll()
	if err != nil || len(records) != 1+3*2 || records[6][3] != socket || records[6][len(records[6])-1] != "600" {
		t.Errorf("%v, %v", records, err)
	}
	text := string(asSVG(p))
	d := xml.NewDecoder(strings.NewReader(text))
	bars := 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if want := 1 + len(names) + 3; bars != want {
		t.Errorf("%d rectangles, want %d", bars, want)
	}
	twice := fmt.Sprintf(`width="%d"`, 2*unitWidth)
	for _, want := range []string{">1.00<", ">1.50<", ">2.00<", twice} {
		if !strings.Contains(text, want) {
			t.Errorf("the plot lacks %s: %s", want, text)
		}
	}
}
