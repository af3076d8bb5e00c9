package dbtest

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const balancerConf = `global
	stats socket %s level admin
defaults
	mode tcp
	balance roundrobin
	option redispatch
	timeout client 1m
	timeout server 1m
	timeout connect 5s
listen all
	bind %s
`

// A Balancer is a HAProxy that gives each connection to the next server, whatever is in it.
type Balancer struct {
	*Web
	addrs []string
}

// NewBalancer returns a Balancer for those addresses. It looks three times a second which of them are there.
// It is not started.
func NewBalancer(t testing.TB, addrs ...string) *Balancer {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "haproxy.cfg")
	w := &Web{Addr: FreeAddr(t), Socket: filepath.Join(dir, "stats"), t: t,
		words: []string{find("haproxy"), "-db", "-f", conf}}
	w.probe = w.Addr
	text := fmt.Sprintf(balancerConf, w.Socket, w.Addr)
	for i, addr := range addrs {
		text += fmt.Sprintf("\tserver m%d %s check inter 300ms\n", i, addr)
	}
	write(t, conf, text)
	return &Balancer{w, addrs}
}

// Drain has an address get no further connections, until Ready.
func (b *Balancer) Drain(addr string) {
	b.t.Helper()
	b.set(addr, "drain")
}

// Ready ends Drain.
func (b *Balancer) Ready(addr string) {
	b.t.Helper()
	b.set(addr, "ready")
}

func (b *Balancer) set(addr, state string) {
	b.t.Helper()
	said := b.ask(fmt.Sprintf("set server all/m%d state %s", slices.Index(b.addrs, addr), state))
	if strings.TrimSpace(said) != "" {
		b.t.Fatalf("HAProxy says %q", said)
	}
}
