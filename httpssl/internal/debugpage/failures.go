package debugpage

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"sessl/ssl"
)

// A failure is what has failed lately, once for each text.
type failure struct {
	What  string // "handshake", or who has answered with an error, and to which call
	Error string
	Count int
	Age   string
	Peers string // some of them
	Do    string
	Doc   docLink

	at    time.Time // of the last one
	peers []string
}

// maxPeers is how many peers of one failure are named.
const maxPeers = 3

func (p *Page) failuresOf(ctx *ssl.Ctx, now time.Time) []failure {
	var all []failure
	add := func(what, peer string, at time.Time, err error, why string) {
		text := clean(err.Error())
		i := slices.IndexFunc(all, func(f failure) bool { return f.What == what && f.Error == text })
		if i < 0 {
			i = len(all)
			all = append(all, failure{What: what, Error: text, Do: advice[why], Doc: p.link(why)})
		}
		f := &all[i]
		f.Count++
		if at.After(f.at) {
			f.at = at
		}
		if peer != "" && !slices.Contains(f.peers, peer) {
			f.peers = append(f.peers, peer)
		}
	}
	for _, f := range ctx.LastFailures() {
		peer := ""
		if f.Peer != nil {
			peer = clean(f.Peer.String())
		}
		add("handshake", peer, f.Time, f.Err, reason(f.Err))
	}
	for _, from := range []struct {
		who, why string
		past     []ssl.PastError
	}{
		{"store", "store-error", ctx.StoreErrors()},
		{"replay guard", "guard-error", ctx.GuardErrors()},
		{"ticket keys", "keys-error", ctx.UnknownKeyErrors()},
	} {
		for _, e := range from.past {
			add(from.who+", "+e.Op, "", e.Time, e.Err, from.why)
		}
	}
	slices.SortStableFunc(all, func(a, b failure) int {
		return cmp.Or(b.at.Compare(a.at), cmp.Compare(a.What, b.What))
	})
	for i := range all {
		f := &all[i]
		f.Age = ago(now, f.at)
		f.Peers = strings.Join(f.peers[:min(len(f.peers), maxPeers)], ", ")
		if more := len(f.peers) - maxPeers; more > 0 {
			f.Peers += " and " + number(more) + " more"
		}
	}
	return all
}
