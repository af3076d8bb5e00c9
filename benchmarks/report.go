package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	api "sessl/benchmarks/contender"
)

// describe says what was measured, and where.
func describe(w *strings.Builder, p *plan, libs []*openssl, absent []string) {
	var versions []string
	for _, o := range libs {
		versions = append(versions, o.version)
	}
	fmt.Fprintf(w, "OpenSSL %s; %s; Linux %s; %d processors (%s). Medians of %d rounds in %.0f s, in "+
		"brackets the smallest and the largest.\n", strings.Join(versions, ", "), runtime.Version(),
		firstLine("/proc/sys/kernel/osrelease"), runtime.NumCPU(), model(), p.done, p.took.Seconds())
	for _, line := range absent {
		fmt.Fprintf(w, "\n%s\n", line)
	}
	for _, o := range libs {
		for _, c := range o.contenders {
			if c.why != "" {
				fmt.Fprintf(w, "\n%s does not build with OpenSSL %s: %s\n", c.name, o.version, c.why)
			}
		}
	}
}

func firstLine(file string) string {
	text, _ := os.ReadFile(file)
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

func model() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	_, rest, _ := strings.Cut(string(text), "model name\t: ")
	name, _, _ := strings.Cut(rest, "\n")
	return name
}

// tables writes a table for each metric of the group, in Markdown.
func (g *results) tables(w *strings.Builder) {
	fmt.Fprintf(w, "\n## %s, OpenSSL %s\n\n%s\n", g.name, g.lib.version, g.about)
	var notes []string
	for _, m := range g.metrics {
		fmt.Fprintf(w, "\n| %s |", m.name)
		g.columns(w, "")
		for i, cells := range g.rows {
			fmt.Fprintf(w, "| %s |", g.cases[i].name)
			for _, c := range cells {
				text, note := c.text(&g.cases[i], m)
				if fmt.Fprintf(w, " %s |", text); note != "" && !slices.Contains(notes, note) {
					notes = append(notes, note)
				}
			}
			w.WriteString("\n")
		}
		if m.ratios {
			g.ratios(w, m)
		}
	}
	for _, note := range notes {
		fmt.Fprintf(w, "\n%s\n", note)
	}
	if g.name == rhythmsName {
		g.regime(w)
	}
}

func (g *results) columns(w *strings.Builder, suffix string) {
	line := "\n|---|"
	for _, name := range g.contenders {
		if g.lib.find(name) != nil {
			fmt.Fprintf(w, " %s%s |", name, suffix)
			line += "--:|"
		}
	}
	w.WriteString(line + "\n")
}

// text is a cell of a table, and a note below the table.
func (c *cell) text(of *testCase, m metric) (text, note string) {
	x := c.values(of, m)
	switch {
	case c.err != nil:
		return "failed", c.err.Error()
	case len(x) == 0:
		return "-", c.who.name + ": " + c.lacks + "."
	case slices.Max(x) == 0:
		return "-", "" // C has no monitor, and bulk no latency
	case len(x) == 1:
		return fmt.Sprintf(m.format, x[0]), ""
	}
	return fmt.Sprintf(m.format+" ("+m.format+"-"+m.format+")", median(x), slices.Min(x), slices.Max(x)), ""
}

// ratios writes how the contenders compare with plain C, with tuned C and with crypto/tls.
func (g *results) ratios(w *strings.Builder, m metric) {
	fmt.Fprintf(w, "\n| %s, ratio to C plain, C tuned and crypto/tls |", m.name)
	g.columns(w, "")
	for i, cells := range g.rows {
		fmt.Fprintf(w, "| %s |", g.cases[i].name)
		for _, c := range cells {
			var ratios []string
			for _, base := range []string{plainC, tunedC, goTLS} {
				k := slices.IndexFunc(cells, func(c *cell) bool { return c.who.name == base })
				text := "-"
				if k >= 0 && c.who.name != base {
					if q, ok := ratio(c.values(&g.cases[i], m), cells[k].values(&g.cases[i], m)); ok {
						text = fmt.Sprintf("%.2f", q)
					}
				} else if k >= 0 && len(c.reports) > 0 {
					text = "1"
				}
				ratios = append(ratios, text)
			}
			fmt.Fprintf(w, " %s |", strings.Join(ratios, " / "))
		}
		w.WriteString("\n")
	}
}

// regime says which rhythm Go's monitor has in a server with few clients.
func (g *results) regime(w *strings.Builder) {
	slept := func(name string) (float64, bool) {
		for i, cells := range g.rows {
			for _, c := range cells {
				if g.cases[i].name == "TLS 1.3, "+name && c.who.name == socket && len(c.reports) > 0 {
					return median(c.values(&g.cases[i], sleeps)), true
				}
			}
		}
		return 0, false
	}
	fresh, ok1 := slept(bothFresh)
	busy, ok2 := slept(bothAfter)
	light, ok3 := slept(serverLight)
	if !ok1 || !ok2 || !ok3 {
		return
	}
	state := "slow: the monitor sleeps for long"
	if light-busy > fresh-light {
		state = "fast: the monitor looks every 20 µs while a handshake runs"
	}
	fmt.Fprintf(w, "\nThe rhythm of a server of package ssl with a client each 2 ms is %s. "+
		"It sleeps %.1f times a handshake; with both ends in one process %.1f times if that is fresh, "+
		"and %.1f times after Go.\n", state, light, fresh, busy)
}

// asCSV has a line for each measurement.
func asCSV(p *plan) []byte {
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.Write([]string{"openssl", "group", "case", "contender", "round", "form", "version", "clients",
		"pinned", "units", "user_us", "sys_us", "wall_us", "resumed", "p50_us", "p90_us", "p99_us", "threads",
		"rss_kb", "switches", "sysmon", "bytes", "peak", "puts", "lookups", "value"})
	for _, g := range p.groups {
		for i, cells := range g.rows {
			for _, c := range cells {
				for round, r := range c.reports {
					w.Write(g.record(&g.cases[i], c, round, r))
				}
			}
		}
	}
	w.Flush()
	return []byte(b.String())
}

func (g *results) record(c *testCase, of *cell, round int, r *api.Report) []string {
	line := []string{g.lib.version, g.name, c.name, of.who.name, strconv.Itoa(round + 1), c.form, c.version,
		strconv.Itoa(max(c.clients, 1)), strconv.FormatBool(c.pinned), strconv.Itoa(r.Count)}
	for _, x := range []float64{r.User, r.Sys, r.Wall, float64(r.Resumed), r.P50, r.P90, r.P99,
		float64(r.Threads), float64(r.RSS), float64(r.Switches), float64(r.Sysmon), r.Bytes, r.Peak, r.Puts,
		r.Lookups, g.metrics[0].of(c, r)} {
		line = append(line, strconv.FormatFloat(x, 'f', -1, 64))
	}
	return line
}
