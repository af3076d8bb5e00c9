package httpssl

import (
	"encoding/json"
	"net/http"
	"time"

	"sessl/ssl"

	"sessl/internal/clock"
)

// DebugHandler answers with the state of package ssl as JSON. For each of ctxs, under its name
// there, it has the [ssl.Stats] with the counters of the caches, the names and ages of the
// ticket keys, the last failures, and the last errors of its SessionStore and ReplayGuard. It also
// has the live handles of the process, [ssl.ReadCounters]. It contains no secrets, but addresses of
// peers, and the reasons of errors as the application's store and guard state them: like
// net/http/pprof it belongs on a port that only administrators reach.
//
// ctxs stays the caller's and must not be changed afterwards. A closed Ctx shows an error
// instead of its Stats. DebugHandler is in this package, and not in ssl, because programs
// without net/http should not include it: the smallest client would be 14 % larger.
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
		out.Encode(debugPageOf(ctxs, clock.Now())) // an error means that the client is gone
	})
}

// debugPage is the answer of DebugHandler.
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
	StoreErrors  []debugError   `json:",omitempty"`
	GuardErrors  []debugError   `json:",omitempty"`
	KeyErrors    []debugError   `json:",omitempty"`
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

type debugError struct {
	Time      time.Time
	Op, Error string
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
	d.StoreErrors, d.GuardErrors = debugErrors(ctx.StoreErrors()), debugErrors(ctx.GuardErrors())
	d.KeyErrors = debugErrors(ctx.UnknownKeyErrors())
	return d
}

func debugErrors(past []ssl.PastError) (out []debugError) {
	for _, e := range past {
		out = append(out, debugError{Time: e.Time, Op: e.Op, Error: e.Err.Error()})
	}
	return out
}
