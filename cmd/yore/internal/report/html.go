package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// HTML is the report as a page of its own.
func (r *Report) HTML() (string, error) {
	var b strings.Builder
	err := page.Execute(&b, r)
	return b.String(), err
}

// SVG is the timeline drawn: lanes from left to right, the darker the more events,
// ticks for images, flags for marks.
func (r *Report) SVG() template.HTML {
	const width, left, lane, top = 960, 130, 22, 26
	t := &r.Timeline
	var b strings.Builder
	height := top + lane*len(t.Lanes) + 34
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" role="img" aria-label="timeline" xmlns="http://www.w3.org/2000/svg">`, width, height)
	span := float64(width - left - 20)
	at := func(f float64) float64 { return left + span*min(1, max(0, f)) }
	most := 1
	for _, l := range t.Lanes {
		for _, n := range l.Counts {
			most = max(most, n)
		}
	}
	for i, l := range t.Lanes {
		y := top + i*lane
		fmt.Fprintf(&b, `<text class="name" x="%d" y="%d">%s</text>`, left-8, y+14, template.HTMLEscapeString(clip(l.Name, 18)))
		fmt.Fprintf(&b, `<rect class="lane" x="%d" y="%d" width="%.0f" height="%d"/>`, left, y+2, span, lane-6)
		for k, n := range l.Counts {
			if n == 0 {
				continue
			}
			w := span / float64(len(l.Counts))
			shade := 0.25 + 0.75*math.Log1p(float64(n))/math.Log1p(float64(most))
			fmt.Fprintf(&b, `<rect class="busy" fill-opacity="%.2f" x="%.2f" y="%d" width="%.2f" height="%d"/>`, shade, left+w*float64(k), y+2, w+0.3, lane-6)
		}
	}
	bottom := top + lane*len(t.Lanes)
	for _, f := range t.Images {
		fmt.Fprintf(&b, `<line class="image" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, at(f), at(f), bottom, bottom+7)
	}
	for _, m := range r.Marks {
		x := at(m.At)
		anchor := "start"
		if m.At > 0.8 {
			anchor = "end"
		}
		fmt.Fprintf(&b, `<line class="mark" x1="%.1f" x2="%.1f" y1="12" y2="%d"/><text class="flag" text-anchor="%s" x="%.1f" y="11">%s</text>`,
			x, x, bottom, anchor, x, template.HTMLEscapeString(clip(m.Name, 30)))
	}
	fmt.Fprintf(&b, `<text class="scale" x="%d" y="%d">0 s</text><text class="scale" text-anchor="end" x="%d" y="%d">%s</text>`, left, bottom+22, width-20, bottom+22, seconds(t.Total))
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// Block joins lines.
func (r *Report) Block(lines []string) string { return strings.Join(lines, "\n") }

var page = template.Must(template.New("report").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<style>
:root { color-scheme: light dark; --fg: #1d2330; --dim: #667085; --bg: #fff; --box: #f4f5f8; --hue: #2f6fde; --hot: #c2410c; }
@media (prefers-color-scheme: dark) { :root { --fg: #e4e7ee; --dim: #98a2b3; --bg: #14171f; --box: #1e2330; --hue: #7aa7ff; --hot: #fb923c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--fg); background: var(--bg); max-width: 62rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .6rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
table { border-collapse: collapse; } th { text-align: left; font-weight: 500; color: var(--dim); padding: .1rem 1.2rem .1rem 0; vertical-align: top; white-space: nowrap; }
td, pre, code { font-family: ui-monospace, monospace; font-size: 13px; } td { overflow-wrap: anywhere; }
pre { background: var(--box); border-radius: 6px; padding: .7rem .9rem; overflow-x: auto; margin: .4rem 0; }
blockquote { border-left: 3px solid var(--hue); margin: .8rem 0; padding: .1rem .9rem; white-space: pre-wrap; }
svg { width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: var(--dim); } svg .name { text-anchor: end; fill: var(--fg); }
.lane { fill: var(--box); } .busy { fill: var(--hue); } .image { stroke: var(--dim); } .mark { stroke: var(--hot); } svg .flag { fill: var(--hot); }
.at { background: color-mix(in srgb, var(--hot) 22%, transparent); display: inline-block; min-width: 100%; }
details > summary { cursor: pointer; color: var(--dim); }
</style>
</head>
<body>
<h1>{{.Title}}</h1>
{{with .Note}}<blockquote>{{.}}</blockquote>{{end}}
<table>{{range .Facts}}<tr><th>{{.Name}}</th><td>{{.Value}}</td></tr>{{end}}</table>
{{if .Commands}}<h2>Open it where it happened</h2>
<pre>{{range .Commands}}{{.}}
{{end}}</pre>{{end}}
{{if .Timeline.Lanes}}<h2>Timeline</h2>
{{.SVG}}{{end}}
{{with .Change}}<h2><code>{{.Expr}}</code> went from <code>{{.Before}}</code> to <code>{{.After}}</code></h2>
<pre>{{.Where}}
<span class="at">{{.Source}}</span>
position {{.Position}}, {{.Guarantee}}
{{range .Frames}}#{{.Level}}  {{.Text}}
{{end}}</pre>{{end}}
{{range .Plots}}<h2><code>{{.Expr}}</code> over time</h2>
{{.Image}}{{end}}
{{range .Threads}}<h2>{{.Name}}</h2>
<pre>{{range .Frames}}#{{.Level}}  {{.Text}}
{{end}}</pre>{{if .Source}}<pre>{{$t := .}}{{range $i, $l := .Source}}<span{{if $t.Here $i}} class="at"{{end}}>{{printf "%5d" ($t.Number $i)}}  {{$l}}</span>
{{end}}</pre>{{end}}
{{end}}
{{if .Output}}<h2>Last lines of its output</h2>
<pre>{{.Block .Output}}</pre>{{end}}
{{if .Events}}<details><summary>Last events</summary>
<pre>{{.Block .Events}}</pre></details>{{end}}
{{if .Marks}}<h2>Marks</h2>
<table>{{range .Marks}}<tr><th>{{.Name}}</th><td>{{.Position}}</td><td>{{.What}}</td></tr>{{end}}</table>{{end}}
</body>
</html>
`))

// Image is a plot's image as part of the page.
func (p Plot) Image() template.HTML { return template.HTML(p.SVG) }

// Number is the number of source line i, Here whether it is the frame's.
func (t Thread) Number(i int) int { return t.First + i }
func (t Thread) Here(i int) bool  { return t.First+i == t.At }
