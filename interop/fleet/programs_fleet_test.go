package fleet

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
	"sessl/valkeystore"
)

// A party is a fleet that programs come back to.
type party struct {
	name    string
	start   func(t *testing.T) site
	tickets bool // one machine has no ids of the others, and three ticket keys
	asks    bool // one machine counts only connections with a request, and gnutls-cli's first one has none
}

// A site is a party that has begun, and how many connections its machines say that they had.
type site struct {
	f     *fleet
	port  string
	third func() (full, resumed int) // of a machine that is none of ours; nil: there is none
}

func (s site) tally() (full, resumed int) {
	full, resumed, _ = s.f.handshakes()
	if s.third != nil {
		n, r := s.third()
		full, resumed = full+n, resumed+r
	}
	return full, resumed
}

var parties = []party{
	{name: "three of sessl serve", start: func(t *testing.T) site {
		f := newFleet(t, options{share: "both"})
		return site{f: f, port: f.port()}
	}},
	{name: "two and HAProxy with keys by socket", tickets: true, start: func(t *testing.T) site {
		file := t.TempDir() + "/keys"
		w := dbtest.NewHAProxy(t, ssltest.CertFile("server-ecdsa"), file)
		return beside(t, w, "haproxy", valkeystore.KeyFiles{HAProxy: file})
	}},
	{name: "two and nginx with keys by files", tickets: true, asks: true, start: func(t *testing.T) site {
		dir := t.TempDir()
		files := [3]string{dir + "/current", dir + "/next", dir + "/old"}
		w := dbtest.NewCountingNginx(t, ssltest.CertFile("server-ecdsa"), files)
		leaf := sha1.Sum(ssltest.KeyPair(t, "server-ecdsa").Leaf().Raw)
		context := sha1.Sum(append([]byte("HTTP"), leaf[:]...))
		return beside(t, w, "0x"+hex.EncodeToString(context[:]),
			valkeystore.KeyFiles{Nginx: files, Command: w.Reload})
	}},
}

// beside has a neighbour in the place of the third machine. This process has it follow the schedule.
func beside(t *testing.T, w *dbtest.Web, context string, files valkeystore.KeyFiles) site {
	t.Helper()
	f := newFleet(t, options{share: "both", more: []string{"--session-id-context", context}})
	follow(t, f, files, w.Socket)
	w.Start()
	front := dbtest.NewBalancer(t, f.all[0].addr, f.all[1].addr, w.Addr)
	front.Start()
	_, port, _ := net.SplitHostPort(front.Addr)
	return site{f: f, port: port, third: w.Handshakes}
}

// follow returns when the files are there and a key has had its turn: until then HAProxy renews no ticket.
func follow(t *testing.T, f *fleet, keys valkeystore.KeyFiles, socket string) {
	t.Helper()
	seal, err := ssl.LoadSealKeys(f.seals[0][:]...)
	if err != nil {
		t.Fatal(err)
	}
	vk, err := valkeystore.Open(f.urls[2], &valkeystore.Options{SealKeys: seal, RotateEvery: f.options.rotate,
		KeepFor: time.Minute, KeyFiles: keys, HAProxySocket: socket,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		vk.Close(context.Background())
		seal.Close()
	})
	turned := func() bool {
		infos := vk.TicketKeys().Infos()
		return len(infos) > 0 && infos[len(infos)-1].Use == "old"
	}
	files := func() bool { return vk.Stats().Neighbours.Files.Done > 0 }
	for end := time.Now().Add(patience); !files() || !turned(); pass(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no files, or no turn: %v", vk.Health())
		}
	}
}

// Each program comes back 200 times, and resumes each time by its own word and that of the machines, but for
// what neighbours cannot do.
func TestEveryClient(t *testing.T) {
	leakcheck.Test(t)
	b := newTable(t, "Every client, every machine", "machines", "client", "TLS", "keys made", "returns",
		"resumed, says the client", "resumed, say the machines", "why not all")
	for _, p := range parties {
		t.Run(p.name, func(t *testing.T) {
			s := p.start(t)
			for _, c := range programs {
				for _, v := range []string{v12, v13} {
					if p.tickets && c.ids && v == v12 {
						b.row(p.name, c.name, v, "", "not possible", "", "", "it knows only ids")
						continue
					}
					t.Run(c.name+" "+v, func(t *testing.T) { p.welcome(t, b, c, v, s) })
				}
			}
			s.f.end()
		})
	}
	b.note("Forms of session: `--share both`. A key encrypts for 2 s. HAProxy in front gives each connection " +
		"to the next machine.")
}

func (p party) welcome(t *testing.T, b *table, c program, v string, s site) {
	n := whole(200, 20)
	keys := s.f.generation()
	full, resumed := s.tally()
	all := c.back(t, s.port, v, n)
	first := 1
	if c.alone {
		first = n
	}
	said := 0
	for _, r := range all {
		if r {
			said++
		}
	}
	var full2, resumed2 int
	for end := time.Now().Add(patience); time.Now().Before(end); pass(10 * time.Millisecond) {
		full2, resumed2 = s.tally()
		if resumed2-resumed >= said && (full2-full >= n+first-said || p.asks && c.alone) {
			break // what a machine prints may be on its way
		}
	}
	made := int(s.f.generation() - keys)
	most, why := 0, ""
	if p.tickets && c.keeps && v == v12 {
		most, why = made, "it keeps its first ticket until a neighbour has dropped the key"
	}
	if said == n {
		why = ""
	}
	b.row(p.name, c.name, v, made, n, said, resumed2-resumed, why)
	if len(all) != n+first || n-said > most || resumed2-resumed != said ||
		full2-full != n+first-said && !(p.asks && c.alone) {
		t.Errorf("%d of %d returns were resumed by the client's word, and %d need not be; the machines say %d, "+
			"and %d full: %v", said, n, most, resumed2-resumed, full2-full, fmt.Sprint(all))
	}
}
