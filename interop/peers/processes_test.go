package peers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A sharing is what the processes of a fleet have in common. They have no memory in common.
type sharing struct {
	name                string
	keys, secret, store bool
	ids                 bool
}

var sharings = []sharing{
	{name: "a file of ticket keys", keys: true},
	{name: "a secret for ticket keys", secret: true},
	{name: "a store", store: true},
	{name: "keys and a store", keys: true, store: true},
	{name: "keys and a store, ids preferred", keys: true, store: true, ids: true},
}

var fleetSizes = []int{2, 3}

// travellers are the guests that return to the processes of a fleet.
var travellers = []string{"openssl s_client", "curl", "gnutls-cli", "python ssl", "crypto/tls", "sessl"}

// resumes reports whether g can come back to another process. In TLS 1.2, crypto/tls supports
// tickets only, and curl 7.88 ids only.
func (s sharing) resumes(g guest, v uint16) bool {
	switch {
	case v == ssl.VersionTLS12 && g.ticketsOnly:
		return s.keys || s.secret
	case v == ssl.VersionTLS12 && g.name == "curl":
		return s.store
	}
	return true
}

// A travel is a client of one fleet, and what becomes of it there.
type travel struct {
	guest guest
	form  form
}

// travels are those to n processes.
func (s sharing) travels(n int) (all []travel) {
	for _, g := range guests {
		if !slices.Contains(travellers, g.name) {
			continue
		}
		g.returns = 12
		for _, v := range bothVersions {
			all = append(all, travel{g, form{version: v, tickets: s.resumes(g, v),
				name: fmt.Sprintf("%d processes, %s, %s", n, ssl.VersionName(v), s.name)}})
		}
	}
	return all
}

// Clients return at once to another process than the one before, and resume there if the processes
// share what the client supports. Otherwise none resumes and none fails.
func TestProcesses(t *testing.T) {
	leakcheck.Test(t)
	for _, s := range sharings {
		for _, n := range fleetSizes {
			t.Run(fmt.Sprintf("%d/%s", n, s.name), func(t *testing.T) {
				t.Parallel() // gnutls-cli waits more than it works
				fleet := startProcesses(t, s, n)
				for _, tr := range s.travels(n) {
					t.Run(tr.guest.name+"/"+ssl.VersionName(tr.form.version), func(t *testing.T) { tr.make(t, fleet) })
				}
				fleet.finish(t)
			})
		}
	}
}

func (tr travel) make(t *testing.T, fleet *processes) {
	c := find("client", tr.guest.name, tr.form)
	if tr.guest.program != "" {
		c.Version = version(program(t, tr.guest.program), tr.guest.version...)
	}
	given, before := fleet.front.counts(), fleet.tallies(t)
	words := tr.guest.visit(t, &server{port: fleet.front.port}, tr.form.version, tr.guest.returns)
	now := fleet.tallies(t)
	for i, all := range fleet.front.counts() {
		if got, want := now[i].All-before[i].All, all-given[i]; got != want {
			t.Errorf("process %d tells of %d connections, and got %d", i, got, want)
		}
	}
	c.judgeTravel(t, tr.guest, tr.form, words, sum(now).since(sum(before)))
}

// judgeTravel compares the reports of both ends with what the form promises: all returns resume, or
// none. In TLS 1.3 each of them is of a session that another process has made. A client of TLS 1.2
// keeps its first session, and every second or third return is one to the process that has made it.
func (c *cell) judgeTravel(t *testing.T, g guest, f form, peer []word, ours tally) {
	t.Helper()
	first := 1
	if g.alone {
		first = g.returns
	}
	said := 0
	for _, w := range peer {
		if w.Resumed {
			said++
		}
		c.Says = w.Text
	}
	c.Result, c.Returns, c.Resumed = "disagreed", len(peer)-first, said
	want, elsewhere := 0, 0
	if f.resumes() {
		want, elsewhere = g.returns, g.returns
		if f.version == ssl.VersionTLS12 {
			elsewhere /= 2
		}
	}
	if c.Returns != g.returns || len(peer) != ours.All || said != want || ours.Resumed != want ||
		ours.Elsewhere < elsewhere || len(ours.Failed) > 0 {
		t.Errorf("the peer tells of %d connections, %d resumed; our end %+v; want %d of %d returns",
			len(peer), said, ours, want, g.returns)
		return
	}
	c.Result = c.Expected
}

func sum(all []tally) (s tally) {
	for _, a := range all {
		s.All += a.All
		s.Resumed += a.Resumed
		s.Elsewhere += a.Elsewhere
		s.Failed = append(s.Failed, a.Failed...)
	}
	return s
}

func (a tally) since(b tally) tally {
	return tally{a.All - b.All, a.Resumed - b.Resumed, a.Elsewhere - b.Elsewhere, a.Failed}
}

// processes are machines of a fleet, each a process of its own, behind one port.
type processes struct {
	front *front
	all   []*machine
}

type machine struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
	err bytes.Buffer // read once the process has ended
}

func startProcesses(t *testing.T, s sharing, n int) *processes {
	t.Helper()
	p := plan{PreferSessionCache: s.ids}
	if s.keys {
		p.Keys = secretFile(t, ssltest.SecretBytes(t, ssltest.NewTicketKey(t)))
	}
	if s.secret {
		p.Secret = secretFile(t, random(t, 32))
	}
	if s.store {
		p.Seal, p.Store = secretFile(t, random(t, ssl.SealKeyLen)), startStore(t)
	}
	fleet := &processes{}
	for i := range n {
		p.Number = byte(i)
		fleet.all = append(fleet.all, startMachine(t, p))
	}
	addrs := make([]string, n)
	for i, m := range fleet.all {
		if err := m.out.Decode(&addrs[i]); err != nil {
			t.Fatal(err)
		}
	}
	fleet.front = startFront(t, addrs)
	return fleet
}

func secretFile(t *testing.T, b []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// startMachine starts this test binary as the machine of a plan; see TestMain. It ends when its
// input does, so also when this process ends.
func startMachine(t *testing.T, p plan) *machine {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{cmd: command(t, self)}
	// A process with the race detector sleeps for a second at its end otherwise.
	m.cmd.Env = append(m.cmd.Env, machineVar+"="+string(text), "GORACE=atexit_sleep_ms=10")
	m.cmd.Stderr = &m.err
	in, err := m.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	m.in, m.out = in, json.NewDecoder(out)
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if m.cmd.ProcessState == nil { // the test has failed
			m.cmd.Process.Kill()
			m.cmd.Wait()
			t.Logf("process %d printed:\n%s", p.Number, &m.err)
		}
	})
	return m
}

// tallies asks each process.
func (f *processes) tallies(t *testing.T) (all []tally) {
	t.Helper()
	for _, m := range f.all {
		var now tally
		if _, err := io.WriteString(m.in, "\n"); err != nil {
			t.Fatal(err)
		}
		if err := m.out.Decode(&now); err != nil {
			t.Fatal(err)
		}
		all = append(all, now)
	}
	return all
}

// finish ends the processes. Each fails if it leaves a handle or an object behind.
func (f *processes) finish(t *testing.T) {
	t.Helper()
	for _, m := range f.all {
		m.in.Close()
	}
	for i, m := range f.all {
		if err := m.cmd.Wait(); err != nil {
			t.Errorf("process %d: %v\n%s", i, err, &m.err)
		}
	}
}
