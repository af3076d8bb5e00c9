package dbtest

import (
	"fmt"
	"path/filepath"
	"testing"
)

const balancerConf = `defaults
	mode tcp
	balance roundrobin
	option redispatch
	timeout client 1m
	timeout server 1m
	timeout connect 5s
listen all
	bind %s
`

// NewBalancer returns a HAProxy that gives each connection to the next of those addresses, whatever is in it.
// It looks three times a second which of them are there. It is not started.
func NewBalancer(t testing.TB, addrs ...string) *Web {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "haproxy.cfg")
	w := &Web{Addr: FreeAddr(t), t: t, words: []string{find("haproxy"), "-db", "-f", conf}}
	w.probe = w.Addr
	text := fmt.Sprintf(balancerConf, w.Addr)
	for i, addr := range addrs {
		text += fmt.Sprintf("\tserver m%d %s check inter 300ms\n", i, addr)
	}
	write(t, conf, text)
	return w
}
