package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
)

// The plot has a panel for each OpenSSL, and in it for each case a bar for each contender: its
// processor time as a multiple of that of plain C.
const (
	barHeight = 11
	rowGap    = 10
	labels    = 210 // width
	unitWidth = 230 // of 1, which plain C takes
	longest   = 3.0
	legend    = 40 // height
)

var colours = map[string]string{plainC: "#555", tunedC: "#999", goTLS: "#00add8", socket: "#c0392b",
	netConn: "#e59866", least: "#27ae60", libp2p: "#8e44ad"}

func asSVG(p *plan) []byte {
	var body bytes.Buffer
	y := legend
	for _, g := range p.groups {
		if g.name == basicName {
			y = panel(&body, g, y)
		}
	}
	width := labels + int(longest*unitWidth) + 60
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" `+
		`font-family="sans-serif" font-size="11">`+"\n"+
		`<rect width="100%%" height="100%%" fill="white"/>`+"\n", width, y+10)
	for i, name := range names {
		x := 10 + i*130
		fmt.Fprintf(&b, "<rect x=\"%d\" y=\"10\" width=\"11\" height=\"11\" fill=\"%s\"/>", x, colours[name])
		label(&b, x+16, 20, "start", name)
	}
	b.Write(body.Bytes())
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func panel(b *bytes.Buffer, g *results, y int) int {
	label(b, 10, y+14, "start",
		fmt.Sprintf("OpenSSL %s: %s, processor time, C plain = 1", g.lib.version, g.name))
	y += 26
	top := y
	for i, cells := range g.rows {
		c := &g.cases[i]
		label(b, labels-8, y+barHeight, "end", c.name)
		base := cells[0].values(c, cost)
		for _, cell := range cells {
			if q, ok := ratio(cell.values(c, cost), base); ok {
				bar(b, y, q, cell.who.name)
				y += barHeight
			}
		}
		y += rowGap
	}
	for q := 0.5; q <= longest; q += 0.5 {
		x := labels + int(q*unitWidth)
		fmt.Fprintf(b, "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" stroke=\"#000\" stroke-opacity=\"0.15\"/>\n",
			x, top-4, x, y-rowGap+4)
		label(b, x, y+6, "middle", fmt.Sprint(q))
	}
	return y + 24
}

func bar(b *bytes.Buffer, y int, q float64, name string) {
	w := int(math.Min(q, longest) * unitWidth)
	fmt.Fprintf(b, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\"/>",
		labels, y, w, barHeight-1, colours[name])
	label(b, labels+w+4, y+barHeight-2, "start", fmt.Sprintf("%.2f", q))
}

func label(b *bytes.Buffer, x, y int, anchor, text string) {
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">", x, y, anchor)
	xml.EscapeText(b, []byte(text))
	b.WriteString("</text>\n")
}
