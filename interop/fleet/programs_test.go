package fleet

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"sessl/interop/visits"
)

// A program is a client that comes back n times, a pause after the time before. back returns for each of its
// connections whether it says that it was resumed.
type program struct {
	name  string
	alone bool // each return has a first connection of its own
	ids   bool // in TLS 1.2 it knows only ids
	keeps bool // in TLS 1.2 it keeps the ticket of a full handshake, whatever comes later
	back  func(t *testing.T, port, version string, n int) []bool
}

var programs = []program{
	{name: "sessl", back: kindReturns(map[string]string{v12: ours12, v13: ours13})},
	{name: "crypto/tls", back: kindReturns(map[string]string{v12: theirs12, v13: theirs13})},
	{name: "openssl s_client", keeps: true, back: openssl},
	{name: "curl", ids: true, back: curl},
	{name: "gnutls-cli", alone: true, back: gnutls},
	{name: "python", back: script(visits.Python)},
	{name: "node", back: script(visits.Node)},
}

// The versions of TLS.
const (
	v12 = "1.2"
	v13 = "1.3"
)

// between is the pause, so that some hundred returns see several keys.
const between = 25 * time.Millisecond

func kindReturns(kinds map[string]string) func(t *testing.T, port, version string, n int) []bool {
	return func(t *testing.T, port, version string, n int) (all []bool) {
		c := newClient(t, kinds[version], port)
		for range n + 1 {
			v := c.visit()
			if v.err != nil {
				t.Fatal(v.err)
			}
			all = append(all, !v.full)
			pass(between)
		}
		return all
	}
}

// host is the front as programs visit it.
func host(port string) visits.Host { return visits.Host{Port: port, Limit: 3 * patience} }

// resumed is what programs say, without their words.
func resumed(words []visits.Word) (all []bool) {
	for _, w := range words {
		all = append(all, w.Resumed)
	}
	return all
}

// openssl keeps the session in a file, from process to process.
func openssl(t *testing.T, port, version string, n int) []bool {
	return resumed(visits.SClient(t, host(port), n+1, "-tls"+strings.ReplaceAll(version, ".", "_")))
}

func curl(t *testing.T, port, version string, n int) []bool {
	return resumed(visits.Curl(t, host(port), "--rate", fmt.Sprint(int(time.Second/between), "/s"), "--tls-max",
		version, "--tlsv"+version, fmt.Sprintf("https://localhost:%s/[0-%d]", port, n)))
}

// gnutls-cli returns once, so each return is one of another client.
func gnutls(t *testing.T, port, version string, n int) (all []bool) {
	for range n {
		all = append(all, resumed(visits.GnuTLS(t, host(port), "--waitresumption", "--priority",
			"NORMAL:-VERS-ALL:+VERS-TLS"+version))...)
	}
	return all
}

// script has a program of interop/peers come, with the pause that it takes.
func script(visit func(t *testing.T, h visits.Host, dir string, more ...string) []visits.Word,
) func(t *testing.T, port, version string, n int) []bool {
	return func(t *testing.T, port, version string, n int) []bool {
		return resumed(visit(t, host(port), "../peers/testdata", strconv.Itoa(n+1), "TLSv"+version,
			strconv.Itoa(int(between.Milliseconds()))))
	}
}
