package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"sessl/valkeystore/internal/fleetsim"
)

// The page has four panels of that size.
const (
	panelWidth, panelHeight = 420, 270
	left, right, top, below = 62, 12, 44, 44
)

// A panel is a plot of lines.
type panel struct {
	title, x, y string
	logX, logY  bool
	xs, ys      []float64 // the ticks, of which the first and the last are the limits
	names       int       // where the names of the lines begin, from the left
	lines       []line
}

type line struct {
	name   string
	points [][2]float64
}

var colours = []string{"#0060a0", "#c04000", "#207020", "#803080", "#606060"}

func at(v float64, log bool, ticks []float64) float64 {
	lo, hi := ticks[0], ticks[len(ticks)-1]
	v = min(max(v, lo), hi)
	if log {
		v, lo, hi = math.Log(v), math.Log(lo), math.Log(hi)
	}
	return (v - lo) / (hi - lo)
}

func (p *panel) px(x float64) float64 {
	return left + at(x, p.logX, p.xs)*(panelWidth-left-right)
}

func (p *panel) py(y float64) float64 {
	return panelHeight - below - at(y, p.logY, p.ys)*(panelHeight-top-below)
}

// label writes a number as short as can be.
func label(v float64) string {
	if v >= 1e5 {
		return fmt.Sprintf("10^%.0f", math.Log10(v))
	}
	return fmt.Sprintf("%g", v)
}

func (p *panel) draw(b *strings.Builder, x, y int) {
	fmt.Fprintf(b, `<g transform="translate(%d %d)">`+"\n", x, y)
	fmt.Fprintf(b, `<text x="%d" y="18" class="t">%s</text>`+"\n", left, p.title)
	for _, v := range p.xs {
		fmt.Fprintf(b, `<path d="M%.1f %dV%d" class="g"/><text x="%.1f" y="%d" class="m">%s</text>`+"\n", p.px(v),
			top, panelHeight-below, p.px(v), panelHeight-below+16, label(v))
	}
	for _, v := range p.ys {
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" class="g"/><text x="%d" y="%.1f" class="e">%s</text>`+"\n", left,
			p.py(v), panelWidth-right, left-6, p.py(v)+4, label(v))
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" class="m">%s</text>`+"\n", (left+panelWidth)/2, panelHeight-8, p.x)
	fmt.Fprintf(b, `<text x="%d" y="34" class="s">%s</text>`+"\n", left, p.y)
	for i, l := range p.lines {
		var d strings.Builder
		for j, xy := range l.points {
			fmt.Fprintf(&d, "%c%.1f %.1f", "ML"[min(j, 1)], p.px(xy[0]), p.py(xy[1]))
		}
		fmt.Fprintf(b, `<path d="%s" stroke="%s" class="l"/>`+"\n", d.String(), colours[i%len(colours)])
		for _, xy := range l.points[:min(len(l.points), 1)] {
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", p.px(xy[0]), p.py(xy[1]),
				colours[i%len(colours)])
		}
		fmt.Fprintf(b, `<text x="%d" y="%d" fill="%s">%s</text>`+"\n", left+8+p.names, top+16+14*i,
			colours[i%len(colours)], l.name)
	}
	b.WriteString("</g>\n")
}

const style = `<style>text{font:12px sans-serif}.t{font-weight:bold}.s{fill:#444}.m{text-anchor:middle}` +
	`.e{text-anchor:end}.g{stroke:#ddd;fill:none}.l{fill:none;stroke-width:2}</style>`

// page is all plots.
func page(all []*size, outages []*outage, ages *fleetsim.Result) string {
	panels := []*panel{load(all, false), load(all, true), through(outages), old(ages)}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d">`+"\n", 2*panelWidth,
		2*panelHeight)
	b.WriteString(style + `<rect width="100%" height="100%" fill="#fff"/>` + "\n")
	for i, p := range panels {
		p.draw(&b, i%2*panelWidth, i/2*panelHeight)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// load is of one database.
func load(all []*size, sessions bool) *panel {
	p := &panel{title: "Load of ticket keys and claims", x: "clients", y: "% of the time of one database",
		logX: true, logY: true, xs: clients, ys: []float64{0.01, 0.1, 1, 10, 100, 1000, 10_000}}
	if sessions {
		p.title = "Load of sessions and claims"
	}
	for _, n := range servers {
		l := line{name: fmt.Sprintf("%d servers", n)}
		for _, s := range all {
			if s.servers == n && s.sessions == sessions {
				l.points = append(l.points, [2]float64{s.clients, 100 * s.busy()})
			}
		}
		p.lines = append(p.lines, l)
	}
	return p
}

// through is what clients see of an outage.
func through(outages []*outage) *panel {
	p := &panel{title: "The database is away from hour 1 to hour 9", x: "hours", y: "% of returns that resume",
		xs: []float64{0, 1, 3, 5, 7, 9, 11}, ys: []float64{0, 25, 50, 75, 100}, names: 200}
	const step = 10 * time.Minute
	for _, o := range outages {
		l := line{name: o.name}
		for t := step; t < outageEnd; t += step {
			share, _ := o.r.Share(t, t+step)
			l.points = append(l.points, [2]float64{(t + step/2).Hours(), 100 * share})
		}
		p.lines = append(p.lines, l)
	}
	return p
}

// old is how old keys were when they were last used.
func old(r *fleetsim.Result) *panel {
	p := &panel{title: "Age of ticket keys at their last use", x: "hours since it was made", y: "% of keys",
		xs: []float64{0, 1, 2, 3, 4, 5}, ys: []float64{0, 25, 50, 75, 100}}
	l := line{name: "RotateEvery 1h, Future 3"}
	for i, age := range r.Ages {
		l.points = append(l.points, [2]float64{age.Hours(), 100 * float64(i+1) / float64(len(r.Ages))})
	}
	p.lines = []line{l}
	return p
}
