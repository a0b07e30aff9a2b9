// Package plot draws curves as SVG: panels one above the other over a common axis. A picture has no script, and is readable
// on a light and on a dark page.
package plot

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
)

// A Plot is a picture.
type Plot struct {
	Title  string
	XLabel string // with the unit
	LogX   bool   // powers of ten; all X must be above 0
	Panels []Panel
}

// A Panel is one vertical axis, from 0 up, and what is drawn against it.
type Panel struct {
	YLabel string // with the unit
	Series []Series
}

// A Series is one curve, in the order of its points.
type Series struct {
	Name   string
	Points []Point
	Steps  bool // the value holds until the next point
}

// A Point of a curve.
type Point struct{ X, Y float64 }

// Measures of the picture, in pixels.
const (
	width, panelHeight = 720, 190
	left, right        = 70, 20
	top, bottom, gap   = 40, 50, 34
)

// style gives lines and text the page's own contrast. Series have colours that are told apart by those who see few.
const style = `<style>
text{font:12px sans-serif;fill:#222}.title{font-size:15px;font-weight:bold}
.axis{stroke:#666;fill:none}.grid{stroke:#ddd}.curve{fill:none;stroke-width:2}
.s0{stroke:#0072b2}.s1{stroke:#d55e00}.s2{stroke:#009e73}.s3{stroke:#cc79a7}.s4{stroke:#8f7a00}
.d0{fill:#0072b2}.d1{fill:#d55e00}.d2{fill:#009e73}.d3{fill:#cc79a7}.d4{fill:#8f7a00}
@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}.axis{stroke:#999}
.s0{stroke:#56b4e9}.d0{fill:#56b4e9}.s4{stroke:#f0e442}.d4{fill:#f0e442}}
</style>
`

const colours = 5

// SVG returns the picture.
func (p Plot) SVG() []byte {
	var b bytes.Buffer
	height := top + bottom + len(p.Panels)*(panelHeight+gap) - gap
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n", width, height, escape(p.Title))
	b.WriteString(style)
	fmt.Fprintf(&b, `<text class="title" x="%d" y="20">%s</text>`+"\n", left, escape(p.Title))
	x := p.horizontal()
	for i, panel := range p.Panels {
		panel.draw(&b, x, top+i*(panelHeight+gap), i == len(p.Panels)-1)
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n</svg>\n", (left+width-right)/2, height-12, escape(p.XLabel))
	return b.Bytes()
}

// horizontal is the scale of all panels.
func (p Plot) horizontal() scale {
	least, most := math.Inf(1), math.Inf(-1)
	for _, panel := range p.Panels {
		for _, s := range panel.Series {
			for _, at := range s.Points {
				least, most = min(least, at.X), max(most, at.X)
			}
		}
	}
	if p.LogX {
		return logarithmic(least, most, left, width-right)
	}
	return linear(least, most, left, width-right)
}

func (panel Panel) draw(b *bytes.Buffer, x scale, y0 int, last bool) {
	most := 0.0
	for _, s := range panel.Series {
		for _, at := range s.Points {
			most = max(most, at.Y)
		}
	}
	y := linear(0, most, float64(y0+panelHeight), float64(y0))
	for _, tick := range y.ticks {
		at := y.at(tick)
		fmt.Fprintf(b, `<path class="grid" d="M%d %.1fH%d"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left, at, width-right, left-6, at+4, number(tick))
	}
	for _, tick := range x.ticks {
		at := x.at(tick)
		fmt.Fprintf(b, `<path class="axis" d="M%.1f %dv4"/>`, at, y0+panelHeight)
		if last {
			fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", at, y0+panelHeight+18, number(tick))
		}
	}
	fmt.Fprintf(b, `<path class="axis" d="M%d %dV%dH%d"/>`+"\n", left, y0, y0+panelHeight, width-right)
	middle := y0 + panelHeight/2
	fmt.Fprintf(b, `<text x="16" y="%d" text-anchor="middle" transform="rotate(-90 16 %d)">%s</text>`+"\n", middle, middle, escape(panel.YLabel))
	for i, s := range panel.Series {
		s.draw(b, x, y, i%colours)
		fmt.Fprintf(b, `<rect class="d%d" x="%d" y="%d" width="12" height="4"/><text x="%d" y="%d">%s</text>`+"\n",
			i%colours, left+10+i*130, y0-10, left+28+i*130, y0-4, escape(s.Name))
	}
}

func (s Series) draw(b *bytes.Buffer, x, y scale, colour int) {
	fmt.Fprintf(b, `<path class="curve s%d" d="`, colour)
	for i, at := range s.Points {
		switch {
		case i == 0:
			fmt.Fprintf(b, "M%.1f %.1f", x.at(at.X), y.at(at.Y))
		case s.Steps:
			fmt.Fprintf(b, "H%.1fV%.1f", x.at(at.X), y.at(at.Y))
		default:
			fmt.Fprintf(b, "L%.1f %.1f", x.at(at.X), y.at(at.Y))
		}
	}
	b.WriteString("\"/>\n")
	if s.Steps || len(s.Points) > 40 {
		return
	}
	for _, at := range s.Points {
		fmt.Fprintf(b, `<circle class="d%d" cx="%.1f" cy="%.1f" r="3"/>`, colour, x.at(at.X), y.at(at.Y))
	}
	b.WriteString("\n")
}

func escape(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // a Buffer takes everything
	return b.String()
}
