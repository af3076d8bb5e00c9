package httpssl

import (
	"encoding/json"
	"net/http"
	"time"

	"sessl/ssl"
)

// DebugHandler answers with what package ssl knows of itself, as JSON: for each of ctxs, by
// its name there, the [ssl.Stats] with the counters of its caches, the names and ages of its
// ticket keys, and the last failures; and the live handles of the process, [ssl.ReadCounters].
// No secret is in it, but addresses of peers and the reasons of errors are: like net/http/pprof
// it belongs on a port that strangers do not reach.
//
// ctxs stays the caller's and must not be changed afterwards; one that is closed shows an
// error in the place of its Stats. It is in this package, and not in ssl, because a program
// without net/http should not be made to carry it: the smallest client would be 14 % larger.
func DebugHandler(ctxs map[string]*ssl.Ctx) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		out.Encode(debugPageOf(ctxs, time.Now())) // an error is the client's, who is gone
	})
}

// debugPage is what DebugHandler answers with.
type debugPage struct {
	Contexts map[string]debugCtx
	Handles  ssl.Counters
}

type debugCtx struct {
	Server     bool
	ServerName string `json:",omitempty"`
	Error      string `json:",omitempty"`

	Stats        *ssl.Stats     `json:",omitempty"`
	TicketKeys   []debugKey     `json:",omitempty"`
	LastFailures []debugFailure `json:",omitempty"`
}

type debugKey struct {
	Name, Use string
	Bits      int
	Age       string
}

type debugFailure struct {
	Time        time.Time
	Peer, Error string
}

func debugPageOf(ctxs map[string]*ssl.Ctx, now time.Time) debugPage {
	page := debugPage{Contexts: make(map[string]debugCtx), Handles: ssl.ReadCounters()}
	for name, ctx := range ctxs {
		page.Contexts[name] = debugCtxOf(ctx, now)
	}
	return page
}

func debugCtxOf(ctx *ssl.Ctx, now time.Time) debugCtx {
	d := debugCtx{Server: ctx.IsServer(), ServerName: ctx.ServerName()}
	if stats, err := ctx.Stats(); err != nil {
		d.Error = err.Error()
	} else {
		d.Stats = &stats
	}
	for _, k := range ctx.TicketKeyInfos() {
		d.TicketKeys = append(d.TicketKeys,
			debugKey{Name: k.Name, Use: k.Use, Bits: k.Bits, Age: now.Sub(k.Since).Round(time.Second).String()})
	}
	for _, f := range ctx.LastFailures() {
		out := debugFailure{Time: f.Time, Error: f.Err.Error()}
		if f.Peer != nil {
			out.Peer = f.Peer.String()
		}
		d.LastFailures = append(d.LastFailures, out)
	}
	return d
}
