package promssl_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sessl/internal/ssltest"
	"sessl/promssl"
	"sessl/ssl"
)

// exposed gathers the metrics of Ctxs with everything that a Ctx can have, and of the process: the values
// of each label of each metric, by its name in queries.
func exposed(t *testing.T) map[string]map[string][]string {
	t.Helper()
	all := ctxs(t)
	visit(t, all["client"], all["tickets"])
	srv, _ := ssltest.EarlyConfigs(t)
	guard := ssltest.NewSpyGuard(t)
	guard.OnClaim = func(context.Context, []byte) (bool, error) { return false, errors.New("NOAUTH") }
	srv.ReplayGuard = guard
	srv.TicketKeys = ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
	all["early"] = ssltest.NewServerCtx(t, srv)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newCollector(t, all), promssl.NewProcessCollector())
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	metrics := make(map[string]map[string][]string)
	for _, f := range families {
		labels := make(map[string][]string)
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if !slices.Contains(labels[l.GetName()], l.GetValue()) {
					labels[l.GetName()] = append(labels[l.GetName()], l.GetValue())
				}
			}
		}
		metrics[f.GetName()] = labels
		if f.GetMetric()[0].GetHistogram() != nil {
			metrics[f.GetName()+"_count"], metrics[f.GetName()+"_sum"] = labels, labels
			metrics[f.GetName()+"_bucket"] = labels
		}
	}
	for r := ssl.ReuseUnknown; ; r++ { // there was not one of each
		label, _ := r.MarshalText()
		if string(label) == "invalid" {
			break
		}
		metrics["ssl_handshakes_total"]["reuse"] = append(metrics["ssl_handshakes_total"]["reuse"], string(label))
	}
	return metrics
}

var (
	selector   = regexp.MustCompile(`\b(ssl_\w+)(?:\{([^}]*)\})?`)
	matcher    = regexp.MustCompile(`(\w+)\s*(=~|!=|!~|=)\s*"([^"]*)"`)
	aggregated = regexp.MustCompile(`\b(?:by|without)\s*\(([^)]*)\)`)
)

// scraped are the labels that Prometheus adds.
var scraped = []string{"job", "instance", "le"}

// checkQuery looks the metrics of a query up, their labels, and the values that labels are compared with.
// It returns the metrics.
func checkQuery(t *testing.T, metrics map[string]map[string][]string, where, query string) (used []string) {
	t.Helper()
	possible := slices.Clone(scraped)
	for _, m := range selector.FindAllStringSubmatch(query, -1) {
		labels, ok := metrics[m[1]]
		if !ok {
			t.Errorf("%s: there is no metric %s", where, m[1])
			continue
		}
		used = append(used, m[1])
		for name := range labels {
			possible = append(possible, name)
		}
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			name, value := l[1], l[3]
			if strings.HasPrefix(value, "$") || slices.Contains(scraped, name) {
				if !slices.Contains(scraped, name) && labels[name] == nil {
					t.Errorf("%s: %s has no label %s", where, m[1], name)
				}
				continue
			}
			for _, v := range strings.Split(value, "|") {
				if !slices.Contains(labels[name], v) {
					t.Errorf("%s: %s is never %q in %s", where, name, v, m[1])
				}
			}
		}
	}
	for _, m := range aggregated.FindAllStringSubmatch(query, -1) {
		for _, name := range strings.Split(m[1], ",") {
			if !slices.Contains(possible, strings.TrimSpace(name)) {
				t.Errorf("%s: the query has no label %s", where, name)
			}
		}
	}
	return used
}

// The rules and the dashboard ask for metrics, labels and values that there are.
func TestFilesFitTheMetrics(t *testing.T) {
	metrics := exposed(t)
	rules, err := os.ReadFile("alerts/sessl.yaml")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, rule := range regexp.MustCompile(`(?m)^      - (?:alert|record): `).Split(string(rules), -1)[1:] {
		name, rest, _ := strings.Cut(rule, "\n")
		_, expr, found := strings.Cut(rest, "expr:")
		expr, _, _ = strings.Cut(expr, "\n        for:")
		expr, _, _ = strings.Cut(expr, "\n        labels:")
		if !found {
			t.Errorf("%s has no expression", name)
		}
		used := checkQuery(t, metrics, name, expr)
		if len(used) == 0 && !strings.Contains(expr, "ssl:resumption_share:") {
			t.Errorf("%s uses no metric", name)
		}
		count++
	}
	if count < 8 {
		t.Errorf("%d rules", count)
	}
	for _, m := range regexp.MustCompile(`runbook: docs/(\S+)`).FindAllStringSubmatch(string(rules), -1) {
		file, anchor, _ := strings.Cut(m[1], "#")
		doc, err := os.ReadFile("../docs/" + file)
		if err != nil {
			t.Error(err)
		}
		heading := "(?im)^#+ " + strings.ReplaceAll(regexp.QuoteMeta(anchor), "-", " ") + "$"
		if anchor != "" && !strings.Contains(string(doc), `<a id="`+anchor+`">`) &&
			!regexp.MustCompile(heading).Match(doc) {
			t.Errorf("%s has no place %s", file, anchor)
		}
	}

	data, err := os.ReadFile("grafana/sessl.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		UID    string
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr, LegendFormat string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal(data, &board); err != nil {
		t.Fatal(err)
	}
	used, ids := make(map[string]bool), make(map[int]bool)
	for _, p := range board.Panels {
		if ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s: id %d, at %+v", p.Title, p.ID, p.GridPos)
		}
		ids[p.ID] = true
		for _, q := range p.Targets {
			for _, m := range checkQuery(t, metrics, p.Title, q.Expr) {
				used[strings.TrimSuffix(m, "_bucket")] = true
			}
			for _, m := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(q.LegendFormat, -1) {
				if !regexp.MustCompile(`by \([^)]*\b` + m[1] + `\b`).MatchString(q.Expr) {
					t.Errorf("%s: the legend has %s, and the query not", p.Title, m[1])
				}
			}
		}
	}
	for _, v := range board.Templating.List {
		checkQuery(t, metrics, v.Name, v.Definition)
	}
	// What the dashboard leaves out, on purpose.
	out := []string{"ssl_openssl_sessions_total", "ssl_session_cache_bytes"}
	for name := range metrics {
		base := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, "")
		if !used[name] && !used[base] && !slices.Contains(out, name) {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// A query that does not fit is noticed.
func TestQueriesThatDoNotFit(t *testing.T) {
	metrics := map[string]map[string][]string{"ssl_a_total": {"ctx": {"x"}, "event": {"hit", "miss"}}}
	for query, fits := range map[string]bool{
		`sum by (ctx, job) (rate(ssl_a_total{event=~"hit|miss",ctx=~"$ctx"}[5m]))`: true,
		`ssl_b_total`:                    false,
		`ssl_a_total{event="hits"}`:      false,
		`ssl_a_total{event=~"hit|late"}`: false,
		`ssl_a_total{kind=~"$ctx"}`:      false,
		`sum by (type) (ssl_a_total)`:    false,
	} {
		inner := &testing.T{}
		checkQuery(inner, metrics, "", query)
		if inner.Failed() == fits {
			t.Errorf("%s: fits is %t, want %t", query, !fits, fits)
		}
	}
}

// Prometheus takes the rules, and they fire when they should and not before.
func TestRules(t *testing.T) {
	for _, args := range [][]string{{"check", "rules", "alerts/sessl.yaml"},
		{"test", "rules", "alerts/sessl_test.yaml"}} {
		out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput()
		if err != nil {
			t.Errorf("promtool %v: %v\n%s(make deps-prom installs promtool)", args, err, out)
		}
	}
}

// The age of a ticket key counts from when it was made, or from its first ticket here.
func TestAgeOfTheTicketKey(t *testing.T) {
	made := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	begun := time.Now().Unix()
	unknown, err := ssl.ParseTicketKey(ssltest.SecretBytes(t, ssltest.NewTicketKey(t)))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		set  ssl.TicketKeySet
		want func(float64) bool
	}{
		"made": {ssl.TicketKeySet{Current: unknown.WithMade(made)},
			func(v float64) bool { return v == float64(made.Unix()) }},
		"unknown": {ssl.TicketKeySet{Current: unknown},
			func(v float64) bool { return v >= float64(begun) && v <= float64(begun+60) }},
		"none": {ssl.TicketKeySet{Old: []ssl.TicketKey{unknown}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := ssltest.ServerConfig(t)
			cfg.TicketKeys = ssltest.TicketKeys(t, c.set)
			registry := prometheus.NewPedanticRegistry()
			registry.MustRegister(newCollector(t, map[string]*ssl.Ctx{"a": ssltest.NewServerCtx(t, cfg)}))
			families, err := registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range families {
				if f.GetName() != "ssl_ticket_key_current_timestamp_seconds" {
					continue
				}
				if v := f.GetMetric()[0].GetGauge().GetValue(); c.want == nil || !c.want(v) {
					t.Errorf("%v", v)
				}
				return
			}
			if c.want != nil {
				t.Error("no such metric")
			}
		})
	}
}
