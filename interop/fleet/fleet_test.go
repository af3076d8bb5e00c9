package fleet

import (
	"crypto/rand"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/ssltest"
)

// machines is how many each fleet has.
const machines = 3

// namespace is that of each fleet in its database.
const namespace = "proof"

// Options of a fleet. Zero fields have defaults.
type options struct {
	share  string        // keys, sessions or both
	rotate time.Duration // a ticket key encrypts for so long; 0 means 2 s
	skews  []time.Duration
	more   []string                     // flags of sessl serve
	anew   bool                         // of its clients
	site   func(t *testing.T, f *fleet) // sets up the database; nil means one, behind proxies
}

// A fleet is three machines behind HAProxy, which gives each connection to the next one.
type fleet struct {
	t       *testing.T
	options options

	db      *dbtest.Server   // nil if there are several
	nodes   []*dbtest.Server // of a cluster
	proxies []*dbtest.Proxy  // one for each machine, if there is one database
	urls    []string         // of the database, one for each machine
	seals   []sealFiles      // one for each machine
	keys    [2][]byte        // that are in them at first

	all   []*machine
	gone  []*machine // that were replaced
	front *dbtest.Balancer
}

// sealFiles are the two files of seal keys that each machine has: the first one seals.
type sealFiles [2]string

// newFleet returns a fleet that issues tickets, or stores sessions.
func newFleet(t *testing.T, o options) *fleet {
	t.Helper()
	if o.rotate == 0 {
		o.rotate = 2 * time.Second
	}
	f := &fleet{t: t, options: o, all: make([]*machine, machines)}
	if o.site == nil {
		o.site = alone
	}
	o.site(t, f)
	f.keys = [2][]byte{sealKey(t), sealKey(t)}
	var addrs []string
	for i := range f.all {
		dir := t.TempDir()
		f.seals = append(f.seals, sealFiles{filepath.Join(dir, "first"), filepath.Join(dir, "second")})
		f.setSeals(i, f.keys[:]...)
		addrs = append(addrs, dbtest.FreeAddr(t))
		f.start(i, addrs[i])
	}
	for _, m := range f.all {
		m.await(ready, 1)
	}
	f.front = dbtest.NewBalancer(t, addrs...)
	f.front.Start()
	return f
}

// ready is what a machine says when it has ticket keys, or knows what its sessions are bound to.
const ready = `fleet="ticket keys" state=ready`

// alone is a database alone, and a proxy to it for each machine.
func alone(t *testing.T, f *fleet) {
	t.Helper()
	f.db = dbtest.Start(t)
	for range machines {
		p := dbtest.NewProxy(t, f.db.Addr)
		f.proxies, f.urls = append(f.proxies, p), append(f.urls, "valkey://"+p.Addr+"/"+namespace)
	}
}

// start starts machine i on that address.
func (f *fleet) start(i int, addr string) {
	f.t.Helper()
	var skew time.Duration
	if f.options.skews != nil {
		skew = f.options.skews[i]
	}
	words := append([]string{"--cert", ssltest.CertFile("server-ecdsa.pem"), "--key",
		ssltest.CertFile("server-ecdsa.key"), "--fleet", f.urls[i], "--seal-key", f.seals[i][0], "--seal-key",
		f.seals[i][1], "--share", f.options.share, "--rotate-every", f.options.rotate.String(),
		"--keep-for", "1m"}, f.options.more...)
	f.all[i] = startMachine(f.t, addr, skew, words...)
}

// again starts machine i after its end.
func (f *fleet) again(i int) {
	f.t.Helper()
	f.gone = append(f.gone, f.all[i])
	f.start(i, f.all[i].addr)
}

// restart starts machine i again, as an administrator does: it gets no connections meanwhile, until it has
// ticket keys if that is waited for.
func (f *fleet) restart(i int, wait bool) {
	f.t.Helper()
	addr := f.all[i].addr
	f.front.Drain(addr)
	f.all[i].end()
	f.again(i)
	if wait {
		f.all[i].await(ready, 1)
	}
	f.front.Ready(addr)
}

// end ends all machines as an administrator does.
func (f *fleet) end() {
	f.t.Helper()
	for _, m := range f.all {
		m.end()
	}
}

// handshakes is what all machines say that they have done, and how many there were at each address.
func (f *fleet) handshakes() (full, resumed int, by [machines]int) {
	for _, m := range append(append([]*machine(nil), f.all...), f.gone...) {
		n, r := m.handshakes()
		full, resumed = full+n, resumed+r
		by[slices.IndexFunc(f.all, func(now *machine) bool { return now.addr == m.addr })] += n + r
	}
	return full, resumed, by
}

// port is HAProxy's.
func (f *fleet) port() string {
	_, port, _ := net.SplitHostPort(f.front.Addr)
	return port
}

// setProxies sets a fault of the way to the database, of all machines.
func (f *fleet) setProxies(fault dbtest.Fault, delay time.Duration) {
	for _, p := range f.proxies {
		p.Set(fault, delay)
	}
}

// sealKey returns a seal key.
func sealKey(t *testing.T) []byte {
	t.Helper()
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// setSeals writes the seal keys of machine i. It reads them with its next start or reload.
func (f *fleet) setSeals(i int, keys ...[]byte) {
	f.t.Helper()
	for j, key := range keys {
		if err := os.WriteFile(f.seals[i][j], key, 0o600); err != nil {
			f.t.Fatal(err)
		}
	}
}

// generation is that of the schedule, which grows by one with each key.
func (f *fleet) generation() (n uint64) {
	f.t.Helper()
	for end := time.Now().Add(patience); ; {
		said, err := status(f)
		if err == nil && said.Generation > 0 {
			return said.Generation
		}
		if time.Now().After(end) {
			f.t.Fatalf("no generation: %+v, %v", said, err)
		}
	}
}

// fleetStatus is what sessl fleet status says.
type fleetStatus struct {
	Generation uint64 `json:"generation"`
}

func status(f *fleet) (s fleetStatus, err error) {
	last := machines - 1
	cmd := exec.Command(place(f.t, "sessl.test"), "fleet", "status", f.urls[last], "--seal-key",
		f.seals[last][0], "--json")
	cmd.Env = append(os.Environ(), "SESSL_TEST_AS_PROGRAM=1")
	text, err := cmd.Output()
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(text, &s)
}
