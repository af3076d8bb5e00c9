package monkey_test

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"sessl/ssl"
)

// round is one connection of ours, alone or with a liar, from its beginning to its end.
func (z *zoo) round(t *testing.T, seed uint64, n int64) {
	r := newChance(seed, n, 0)
	f := &finding{}
	what := "?"
	over := time.AfterFunc(patience, func() {
		buf := make([]byte, 4<<20)
		fmt.Fprintf(os.Stderr, "monkey: seed %d, round %d (%s) hangs\n%s\n",
			seed, n, what, buf[:runtime.Stack(buf, true)])
		os.Exit(2)
	})
	defer over.Stop()
	server, client := z.couple(r)
	what = "server " + server.name + ", client " + client.name
	switch r.IntN(8) {
	case 0:
		what = "server " + server.name + ", a client that lies"
		z.lie(t, r, f, server, true)
	case 1:
		what = "client " + client.name + ", a server that lies"
		z.lie(t, r, f, client, false)
	default:
		z.both(t, r, f, server, client)
	}
	for _, s := range f.said {
		t.Errorf("seed %d, round %d (%s): %s", seed, n, what, s)
	}
}

// friends are kinds that can connect: chance alone would bring them together too seldom.
var friends = [][2]string{
	{"plain", "plain"}, {"1.2", "1.2"}, {"1.2 ids", "plain"}, {"stateful", "plain"}, {"early", "plain"},
	{"early", "trusting"}, {"keys", "plain"}, {"cache", "plain"}, {"store", "plain"},
	{"certificates", "certificate"},
	{"certificates", "certificate 1.2"}, {"later", "certificate"}, {"later", "certificate by function"},
	{"keys that are known", "key"}, {"keys that are asked for", "only key"},
}

func (z *zoo) couple(r chance) (server, client kind) {
	server, client = pick(r, z.servers), pick(r, z.clients)
	if r.oneIn(3) {
		return server, client
	}
	pair := pick(r, friends)
	for _, k := range z.servers {
		if k.name == pair[0] {
			server = k
		}
	}
	for _, k := range z.clients {
		if k.name == pair[1] {
			client = k
		}
	}
	return server, client
}

// both makes a server and a client of ours.
func (z *zoo) both(t *testing.T, r chance, f *finding, server, client kind) {
	a, b := ends(t, r)
	c, err := ssl.Client(a, client.ctx)
	if err != nil {
		t.Error(err)
		return
	}
	s, err := ssl.Server(b, server.ctx)
	if err != nil {
		t.Error(err)
		c.Close()
		return
	}
	if !r.oneIn(4) {
		z.prepare(r, c, server.name)
	}
	early := r.oneIn(3)
	z.play(r, f, []player{{c, client, early}, {s, server, early}}, a, b)
}

// enough is a time for an undisturbed handshake.
const enough = 300 * time.Millisecond

// A player is one connection of ours.
type player struct {
	*ssl.Conn
	kind  kind
	early bool // it begins with early data
}

// play lets two goroutines for each connection make random calls, and then ends everything.
func (z *zoo) play(r chance, f *finding, who []player, under ...io.Closer) {
	var all sync.WaitGroup
	wild := r.oneIn(4) // random calls from the first byte on
	for _, p := range who {
		p.SetDeadline(time.Now().Add(enough))
		if wild && r.oneIn(2) {
			p.SetDeadline(time.Now().Add(r.soon()))
		}
		sent := make(chan struct{}) // early data, by the first goroutine
		for i := range 2 {
			mine := r.fork()
			all.Go(func() {
				if p.early && i == 0 {
					p.WriteEarlyData(letter[:100])
					p.ReadEarlyData(make([]byte, 200))
					close(sent)
				} else if p.early && !wild {
					<-sent
				}
				if !wild || p.early && i == 0 {
					p.Handshake()
				}
				if p.kind.name == "later" && i == 0 {
					z.ask(p.Conn, enough)
				}
				if !wild {
					p.SetDeadline(time.Now().Add(30 * time.Millisecond))
				}
				for range 3 + mine.IntN(12) {
					z.act(mine, p.Conn)
				}
			})
		}
	}
	all.Wait()
	if r.oneIn(2) { // an orderly end, or one that Close has to cope with
		for _, c := range under {
			c.Close()
		}
	}
	for _, p := range who {
		all.Go(func() { p.Close() })
	}
	all.Wait()
	for _, c := range under {
		c.Close()
	}
	for _, p := range who {
		z.look(f, p)
	}
}

// look checks that a connection reports nothing that was not shown to it.
func (z *zoo) look(f *finding, p player) {
	state := p.ConnectionState()
	if !p.HandshakeComplete() {
		z.tally.failed.Add(1)
		return
	}
	z.tally.shaken.Add(1)
	if state.DidResume {
		z.tally.resumed.Add(1)
	}
	if p.EarlyDataStatus() == ssl.EarlyDataAccepted {
		z.tally.early.Add(1)
	}
	switch {
	case p.kind.name == "hosts":
	case p.kind.verify && !state.Verified && state.PSKIdentity == "":
		f.add("complete, and the peer was never verified: %+v", state)
	case p.kind.name == "other roots":
		f.add("a server was verified that cannot be: %+v", state)
	case state.DidResume != p.ReuseState().Resumed():
		f.add("resumed is %t, and the state %q", state.DidResume, p.ReuseState())
	case p.kind.version != 0 && state.Version > p.kind.version:
		f.add("version %#x", state.Version)
	}
}
