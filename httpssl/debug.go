package httpssl

import (
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sessl/httpssl/internal/debugpage"
	"sessl/internal/clock"
	"sessl/ssl"
)

// DebugOptions are options for [NewDebugHandler].
type DebugOptions struct {
	// DocsURL is where the directory docs of this module can be read in a browser, for example that
	// directory in the web view of a repository, or on a server of the team's own. The page's links go to
	// anchors of resumption.md there. Other URLs than those of http and https, and paths on the server
	// itself, do not become links. If it is empty, the page has the names of the documents and no links.
	DocsURL string
}

// DebugHandler is [NewDebugHandler] without options.
func DebugHandler(ctxs map[string]*ssl.Ctx) http.Handler { return NewDebugHandler(ctxs, nil) }

// NewDebugHandler answers with the state of package ssl: browsers, which name text/html in Accept, with
// a page, and other clients with JSON. "?format=html" and "?format=json" ask for one of them.
//
// For each of ctxs, under its name there, both have the [ssl.Stats] with the counters of the caches, the
// names and ages of the ticket keys, the last failures, and the last errors of its SessionStore and
// ReplayGuard. They also have the live handles of the process, [ssl.ReadCounters], and OpenSSL's
// versions. The page shows reuse by
// reason, the durations of full and resumed handshakes, the keys on a line of time with what each may
// still open, and what to do about each failure. It needs no script, and the browser loads it again every
// five seconds, or as "?refresh=off" or "?refresh=60" says. Of more than four Ctxs it has a table, and in
// full the one that "?ctx=NAME" names.
//
// The answers contain no secrets, but addresses of peers, and the reasons of errors as the application's
// store and guard state them: like net/http/pprof the handler belongs on a port that only administrators
// reach.
//
// ctxs stays the caller's and must not be changed afterwards. A closed Ctx shows an error
// instead of its Stats. The handler is in this package, and not in ssl, because programs
// without net/http should not include it: the smallest client would be 14 % larger. A server of this
// package with the handler is 3 MB larger than one without, because templates keep the linker from
// leaving out methods.
func NewDebugHandler(ctxs map[string]*ssl.Ctx, opts *DebugOptions) http.Handler {
	var o DebugOptions
	if opts != nil {
		o = *opts
	}
	page, policy := debugpage.New(ctxs, o.DocsURL), debugpage.Policy()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Vary", "Accept")
		h.Set("X-Content-Type-Options", "nosniff")
		if query := r.URL.Query(); wantsPage(query.Get("format"), r.Header) {
			h.Set("Content-Type", "text/html; charset=utf-8")
			h.Set("Content-Security-Policy", policy)
			h.Set("Referrer-Policy", "no-referrer")
			page.Write(w, query, clock.Now()) // an error means that the client is gone
			return
		}
		h.Set("Content-Type", "application/json")
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		out.Encode(debugPageOf(ctxs, clock.Now()))
	})
}

// wantsPage reports whether a client prefers HTML. JSON is for all that do not name HTML: programs.
func wantsPage(format string, h http.Header) bool {
	switch format {
	case "html":
		return true
	case "json":
		return false
	}
	page, data := 0.0, 0.0
	for _, part := range strings.Split(strings.Join(h.Values("Accept"), ","), ",") {
		t, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if s, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(s, 64); err != nil {
				continue
			}
		}
		switch t {
		case "text/html":
			page = max(page, q)
		case "application/json":
			data = max(data, q)
		}
	}
	return page > data
}

// debugPage is the answer of NewDebugHandler in JSON.
type debugPage struct {
	OpenSSL  ssl.OpenSSLVersions
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
	page := debugPage{OpenSSL: ssl.OpenSSLVersion(), Contexts: make(map[string]debugCtx),
		Handles: ssl.ReadCounters()}
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
