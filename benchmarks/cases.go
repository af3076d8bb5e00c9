package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	api "sessl/benchmarks/contender"
)

// A testCase is one row of a table.
type testCase struct {
	name    string
	form    string
	version string
	n       int
	clients int
	key     string
	mutual  bool
	pause   int // microseconds
	busy    int // milliseconds
	pinned  bool
	alone   bool // the server is a process of its own, and is what is measured
	rounds  int  // at most; 0 means no limit of its own
	scale   float64
}

func (c *testCase) args() []string {
	auth := "none"
	if c.mutual {
		auth = "mutual"
	}
	return []string{"-form", c.form, "-version", c.version, "-n", strconv.Itoa(c.n), "-clients",
		strconv.Itoa(max(c.clients, 1)), "-auth", auth, "-key", c.key, "-pause", strconv.Itoa(c.pause),
		"-busy", strconv.Itoa(c.busy), "-certs", certs}
}

// certs is where the test certificates are.
const certs = "../testdata/certs"

// latency reports whether the clients of the case see how long a unit takes.
func (c *testCase) latency() bool {
	return c.form != api.Idle && c.form != api.Stall && c.form != api.Table && c.form != api.Bulk
}

// A group is a table for each OpenSSL.
type group struct {
	name, about string
	metrics     []metric
	contenders  []string
	cases       []testCase
	suites      bool // is measured with each OpenSSL, not only the machine's own
	measure     func(*testCase, *openssl, *contender) (*api.Report, error)
}

// row is a case with its unit in the name: microseconds, or milliseconds a GB for bulk.
func row(name, version, form string, n int, change ...func(*testCase)) testCase {
	c := testCase{name: "TLS " + version + ", " + name, form: form, version: version, n: n, key: "p256",
		scale: 1, pinned: true}
	if form == api.Bulk {
		c.scale = 1e9 / (1 << 20) / 1e3
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

func mutual(c *testCase)  { c.mutual = true }
func rsa(c *testCase)     { c.key = "rsa2048" }
func freely(c *testCase)  { c.pinned = false }
func server(c *testCase)  { c.alone = true }
func afterGo(c *testCase) { c.busy = 100 }
func light(c *testCase)   { c.alone, c.pause = true, 2000 }
func few(c *testCase)     { c.rounds = 3 }

func at(clients int) func(*testCase) { return func(c *testCase) { c.clients = clients } }

const (
	basicName   = "Both ends, one client, one processor"
	formsName   = "Forms of resumption"
	freeName    = "Both ends, one client, all processors"
	rhythmsName = "The rhythms of Go's monitor"
)

// groups returns what is measured. short leaves out rows, and makes the others shorter.
func groups(short bool) []*group {
	all := []*group{basic(), forms(), free(), many(), alone(), bare(), rhythms(), memories(), tables(short),
		counted()}
	for _, g := range all {
		if short {
			g.shorten()
		}
	}
	return slices.DeleteFunc(all, func(g *group) bool { return len(g.cases) == 0 })
}

// others are the contenders of all groups but the first.
var others = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == least })

func basic() *group {
	return &group{name: basicName,
		about:   "Processor time of client and server together, in µs (bulk: in ms a GB).",
		metrics: []metric{cost, p50, p99}, contenders: names, suites: true,
		cases: []testCase{
			row("resumed", "1.3", api.Ticket, 300),
			row("resumed, ticket", "1.2", api.Ticket, 600),
			row("resumed, id", "1.2", api.ID, 600),
			row("full", "1.3", api.Full, 200),
			row("full", "1.2", api.Full, 200),
			row("bulk, writes of 16 KiB", "1.3", api.Bulk, 192),
			row("round trip of 1 byte", "1.3", api.RTT, 8000),
			row("resumed, mutual", "1.3", api.Ticket, 300, mutual),
			row("full, mutual", "1.3", api.Full, 150, mutual),
			row("full, RSA-2048", "1.3", api.Full, 150, rsa),
		}}
}

func forms() *group {
	g := &group{name: formsName,
		about:   "As above, in µs; TicketKeys and ServerSessionCache are of package ssl.",
		metrics: []metric{cost}, contenders: []string{plainC, goTLS, socket}}
	for _, v := range []string{"1.3", "1.2"} {
		g.cases = append(g.cases,
			row("ticket, the library's own key", v, api.Ticket, 300),
			row("ticket, TicketKeys", v, api.TicketKeys, 300),
			row("stateful, the library's cache", v, api.ID, 300),
			row("stateful, ServerSessionCache", v, api.Cache, 300))
	}
	return g
}

func free() *group {
	return &group{name: freeName, about: "Processor time, in µs (bulk: in ms a GB).",
		metrics: []metric{cost, p50, p99, threads}, contenders: others,
		cases: []testCase{
			row("resumed", "1.3", api.Ticket, 300, freely),
			row("full", "1.3", api.Full, 200, freely),
			row("bulk, writes of 16 KiB", "1.3", api.Bulk, 192, freely),
			row("round trip of 1 byte", "1.3", api.RTT, 4000, freely),
		}}
}

func many() *group {
	g := &group{name: "Many clients at once", about: "Processor time of a handshake, both ends, in µs.",
		metrics: []metric{cost, p50, p90, p99, threads}, contenders: others}
	for _, clients := range []int{16, 256} {
		g.cases = append(g.cases,
			row(fmt.Sprintf("resumed, %d clients, one processor", clients), "1.3", api.Ticket, 768, at(clients)),
			row(fmt.Sprintf("resumed, %d clients, all processors", clients), "1.3", api.Ticket, 768, at(clients),
				freely))
	}
	return g
}

func alone() *group {
	return &group{name: "Server alone", about: "Processor time of the server, in µs. The client is in " +
		"another process on another processor, and is always the plain one in C.",
		metrics: []metric{cost, p50, p99}, contenders: others,
		cases: []testCase{
			row("resumed", "1.3", api.Ticket, 300, server),
			row("resumed, ticket", "1.2", api.Ticket, 300, server),
			row("full", "1.3", api.Full, 200, server),
			row("resumed, 16 clients", "1.3", api.Ticket, 480, server, at(16)),
		}}
}

// bare is what TLS comes on top of. What a connection of package net costs more than one in C is no
// library's.
func bare() *group {
	g := &group{name: "Without TLS",
		about: "The same connections without TLS, in C and, in crypto/tls's column, with package net: processor " +
			"time of both ends, in µs, and resident memory of a server.",
		metrics: []metric{cost, memory}, contenders: []string{plainC, goTLS},
		cases: []testCase{
			row("connection", "none", api.Full, 600),
			row("round trip of 1 byte", "none", api.RTT, 8000),
			row("idle, with a goroutine in Read", "none", api.Idle, 1000, server, freely, few),
		}}
	for i := range g.cases {
		g.cases[i].name = strings.TrimPrefix(g.cases[i].name, "TLS none, ")
	}
	return g
}

func rhythms() *group {
	return &group{name: rhythmsName,
		about:   "Processor time of a handshake in a fresh process, and after 100 ms of computing in Go.",
		metrics: []metric{cost, sleeps, switches}, contenders: []string{plainC, goTLS, socket, netConn},
		cases: []testCase{
			row(bothFresh, "1.3", api.Ticket, 300),
			row(bothAfter, "1.3", api.Ticket, 300, afterGo),
			row("full, both ends, fresh", "1.3", api.Full, 200),
			row("full, both ends, after Go", "1.3", api.Full, 200, afterGo),
			row("resumed, server, fresh", "1.3", api.Ticket, 300, server),
			row("resumed, server, after Go", "1.3", api.Ticket, 300, server, afterGo),
			row(serverLight, "1.3", api.Ticket, 150, light, afterGo),
		}}
}

const (
	bothFresh   = "resumed, both ends, fresh"
	bothAfter   = "resumed, both ends, after Go"
	serverLight = "resumed, server, after Go, a client each 2 ms"
)

func memories() *group {
	return &group{name: "Memory of connections", about: "Of a server, growth of the resident memory: after " +
		"a garbage collection, and as it is before. In C there is no thread for each connection.",
		metrics: []metric{memory, peak}, contenders: others,
		cases: []testCase{
			row("idle, with a goroutine in Read", "1.3", api.Idle, 1000, server, freely, few),
			row("stalled after one byte of a ClientHello", "1.3", api.Stall, 1000, server, freely, few),
		}}
}

func tables(short bool) *group {
	n := 1_000_000
	if short {
		n = 100_000
	}
	return &group{name: "A server's cache",
		about: "ServerSessionCache, and libssl's own cache from C. A put copies the session first. " +
			"Lookups run on all processors.",
		metrics: []metric{memory, puts, lookups}, contenders: []string{plainC, socket},
		cases: []testCase{row(fmt.Sprintf("%d sessions", n), "1.3", api.Table, n, freely, few)}}
}

func counted() *group {
	one := func(c *testCase) { c.rounds = 1 }
	return &group{name: "Instructions",
		about:   "Of a handshake, both ends, in user mode, counted by valgrind's callgrind.",
		metrics: []metric{executed}, contenders: []string{plainC, goTLS, socket, netConn, least},
		suites:  true,
		measure: callgrind,
		cases: []testCase{
			row("resumed", "1.3", api.Ticket, 15, one),
			row("resumed, ticket", "1.2", api.Ticket, 15, one),
			row("full", "1.3", api.Full, 15, one),
		}}
}

// shorten keeps the rows that show most.
func (g *group) shorten() {
	g.contenders = slices.DeleteFunc(slices.Clone(g.contenders),
		func(name string) bool { return name == libp2p })
	g.cases = slices.DeleteFunc(g.cases, func(c testCase) bool {
		switch g.name {
		case formsName, freeName:
			return true
		}
		return c.mutual || c.key != "p256" || c.clients == 16 || c.form == api.Full && c.version == "1.2"
	})
	if g.measure != nil {
		g.contenders, g.cases = []string{plainC, socket}, g.cases[:1]
	}
	for i := range g.cases {
		c := &g.cases[i]
		if c.form != api.Table && g.measure == nil {
			c.n = max(c.n/2, 2*c.clients)
		}
		if c.form == api.Idle || c.form == api.Stall || c.form == api.Table {
			c.rounds = 1
		}
	}
}
