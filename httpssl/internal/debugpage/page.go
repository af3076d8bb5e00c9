package debugpage

import (
	"crypto/sha256"
	_ "embed" // the template and its style
	"encoding/base64"
	"html/template"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"sessl/ssl"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

// DefaultRefresh is after how many seconds a browser loads the page again.
const DefaultRefresh = 5

const (
	maxRefresh = 3600

	// fewCtxs is how many Ctxs are shown in full. Of more, the page has a table, and the one that is asked for.
	fewCtxs = 4
)

// A Page can be written by several goroutines at once.
type Page struct {
	ctxs map[string]*ssl.Ctx
	docs string // where the documents are, with a slash at the end; or empty
	tmpl *template.Template
}

// New returns the page of ctxs. Its links to documents begin with docs; if docs is empty, the page has
// the names of the documents instead. Templates are parsed here, so that programs which show no page do
// not include html/template's code.
func New(ctxs map[string]*ssl.Ctx, docs string) *Page {
	if docs != "" {
		docs = strings.TrimSuffix(docs, "/") + "/"
	}
	style := func() template.CSS { return template.CSS(pageCSS) }
	tmpl := template.New("page").Funcs(template.FuncMap{"style": style})
	return &Page{ctxs: ctxs, docs: docs, tmpl: template.Must(tmpl.Parse(pageHTML))}
}

// Policy is the Content-Security-Policy of the page: nothing is loaded, no script runs, the page's own
// style is the only one, and no other page may frame it.
func Policy() string {
	sum := sha256.Sum256([]byte(pageCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// Write writes the page as query asks for it: ctx is the Ctx to show in full, and refresh the seconds until
// the browser loads the page again, or "off".
func (p *Page) Write(w io.Writer, query url.Values, now time.Time) error {
	return p.tmpl.Execute(w, p.view(query, now))
}

// A view is what the template gets.
type view struct {
	Now     string
	OpenSSL string
	Refresh int    // seconds; 0 for never
	Renew   string // where the page is that renews itself, or does not if this one does
	JSON    string
	Many    bool // the Ctxs are a table, of which Shown has at most one
	All     []summary
	Shown   []detail
	Back    string // of a page with one of many Ctxs: the page without
	Handles []handle
	Objects []object
}

// A summary is a Ctx as a line of the table of Ctxs.
type summary struct {
	Name, URL, Role, Error       string
	Handshakes, Failed, Share    string
	FullMedian, ResumedMedian    string
	ResumedWidth                 float64 // percent
	Chosen, None, Failing, Alone bool
}

func (p *Page) view(query url.Values, now time.Time) view {
	v := view{Now: now.UTC().Format("2006-01-02 15:04:05 UTC"), Refresh: refreshOf(query.Get("refresh")),
		OpenSSL: ssl.OpenSSLVersion().String(), Many: len(p.ctxs) > fewCtxs, JSON: "?format=json"}
	chosen := query.Get("ctx")
	address := func(ctx string, renews bool) string {
		q := url.Values{}
		if ctx != "" {
			q.Set("ctx", ctx)
		}
		switch {
		case !renews:
			q.Set("refresh", "off")
		case v.Refresh != DefaultRefresh && v.Refresh != 0:
			q.Set("refresh", strconv.Itoa(v.Refresh))
		}
		if query.Get("format") != "" {
			q.Set("format", "html")
		}
		return "?" + q.Encode()
	}
	renews := v.Refresh != 0
	v.Renew = address(chosen, !renews)
	if v.Many && chosen != "" {
		v.Back = address("", renews)
	}
	for _, name := range slices.Sorted(maps.Keys(p.ctxs)) {
		ctx := p.ctxs[name]
		stats, err := ctx.Stats()
		s := summaryOf(name, ctx, stats, err)
		s.URL, s.Chosen = address(name, renews), v.Many && name == chosen
		v.All = append(v.All, s)
		if !v.Many || s.Chosen {
			v.Shown = append(v.Shown, p.detailOf(s, ctx, stats, now))
		}
	}
	v.Handles, v.Objects = handlesOf(ssl.ReadCounters())
	return v
}

// refreshOf reads the parameter of the query; what is no number of seconds is the default.
func refreshOf(s string) int {
	if s == "off" || s == "0" {
		return 0
	}
	if n, err := strconv.Atoi(s); err == nil && n > 0 && n <= maxRefresh {
		return n
	}
	return DefaultRefresh
}

func summaryOf(name string, ctx *ssl.Ctx, stats ssl.Stats, err error) summary {
	s := summary{Name: name, Role: "client"}
	if ctx.IsServer() {
		s.Role = "server"
	}
	if err != nil {
		s.Error = clean(err.Error())
		return s
	}
	total, resumed := handshakes(stats)
	s.Handshakes, s.Failed, s.None = number(total), number(stats.Failed), total == 0
	s.Failing = stats.Failed > 0
	s.ResumedWidth, s.Share = share(resumed, total), percent(resumed, total)
	s.FullMedian, s.ResumedMedian = quantile(stats.Full, 0.5), quantile(stats.Resumed, 0.5)
	return s
}

// handshakes counts those that were completed, and those of them that resumed.
func handshakes(stats ssl.Stats) (total, resumed uint64) {
	for state, n := range stats.Handshakes {
		total += n
		if state.Resumed() {
			resumed += n
		}
	}
	return total, resumed
}
