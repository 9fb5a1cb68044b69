package debugger

// plot EXPR: a number's course over the timeline. It is looked at in even steps, then
// half-way between neighbours that differ, as often as there are columns to show it.

import (
	"context"
	"errors"
	"fmt"
	"html"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// dot is a point of a plot.
type dot struct {
	at    time.Duration
	value float64
	known bool
}

const (
	plotRows   = 12
	plotSteps  = 40 // even ones
	plotRounds = 2  // of looking between neighbours
	plotMore   = 40 // at most so many in a round
)

func (d *Debugger) plot(ctx context.Context, args string) error {
	expr, file := args, ""
	if before, after, ok := strings.Cut(args, "--svg"); ok {
		expr, file = strings.TrimSpace(before), strings.TrimSpace(after)
		if file == "" {
			return errors.New("plot: --svg needs the name of a file")
		}
	}
	p, err := d.Plot(ctx, expr)
	if err != nil {
		return err
	}
	d.print(p.Text(min(d.ui.Width(), 120)))
	if file == "" {
		return nil
	}
	if err := os.WriteFile(file, []byte(p.SVG()), 0o644); err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	return nil
}

// Plot is a number's course over history.
type Plot struct {
	Expr    string
	dots    []dot
	total   time.Duration
	unknown int // dots without a value
}

// Text draws the plot with characters, width columns wide, and says what it is.
func (p *Plot) Text(width int) string {
	text := drawPlot(width, p.dots, p.total) + fmt.Sprintf("%s at %d points of %s", p.Expr, len(p.dots), seconds(p.total))
	if p.unknown > 0 {
		text += fmt.Sprintf(", without a value at %d", p.unknown)
	}
	return text + "\n"
}

// SVG draws the plot as an image that refers to nothing outside.
func (p *Plot) SVG() string { return svgPlot(p.Expr, p.dots, p.total) }

// Plot looks at an expression all over history. The program stays where it is.
func (d *Debugger) Plot(ctx context.Context, expr string) (*Plot, error) {
	if expr == "" {
		return nil, errors.New("plot needs an expression")
	}
	total := d.tl.EventTime(d.tl.Events())
	var times []time.Duration
	for i := range plotSteps + 1 {
		times = append(times, total*time.Duration(i)/plotSteps)
	}
	var dots []dot
	text, unknown := "", 0
	for round := 0; len(times) > 0 && round <= plotRounds; round++ {
		// As near as a column is wide.
		off := total / plotSteps / time.Duration(2<<round)
		err := d.Samples(ctx, expr, times, off, func(s Sample) {
			x := dot{at: s.Time}
			if s.Known {
				if x.value, x.known = parseNumber(s.Value); !x.known {
					text = s.Value
				}
			} else {
				unknown++
			}
			dots = append(dots, x)
		})
		if err != nil {
			return nil, err
		}
		slices.SortStableFunc(dots, func(a, b dot) int { return int(a.at - b.at) })
		times = between(dots, total/plotSteps/8)
	}
	switch {
	case text != "":
		return nil, fmt.Errorf("plot: %s is not a number everywhere: %s", expr, shorten(text))
	case unknown == len(dots):
		return nil, fmt.Errorf("plot: %s has no value at the %d points looked at", expr, len(dots))
	}
	return &Plot{expr, dots, total, unknown}, nil
}

// between returns times half-way between neighbours that differ and are further
// apart than least.
func between(dots []dot, least time.Duration) (out []time.Duration) {
	for i := 1; i < len(dots) && len(out) < plotMore; i++ {
		a, b := dots[i-1], dots[i]
		if b.at-a.at > least && (a.known != b.known || a.value != b.value) {
			out = append(out, a.at+(b.at-a.at)/2)
		}
	}
	return out
}

var numberAhead = regexp.MustCompile(`^[-+]?(0x[0-9a-fA-F]+|(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|inf)`)

// parseNumber reads the number that a value as the backend prints it begins with,
// booleans as 0 and 1.
func parseNumber(s string) (float64, bool) {
	switch s = strings.TrimSpace(s); s {
	case "true":
		return 1, true
	case "false":
		return 0, true
	}
	m := numberAhead.FindString(s)
	if strings.Contains(m, "0x") {
		v, err := strconv.ParseUint(strings.TrimLeft(m, "+-")[2:], 16, 64)
		return float64(v), err == nil
	}
	v, err := strconv.ParseFloat(m, 64)
	return v, err == nil && !math.IsInf(v, 0)
}

// span returns the least and the greatest value.
func span(dots []dot) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, x := range dots {
		if x.known {
			lo, hi = min(lo, x.value), max(hi, x.value)
		}
	}
	return lo, hi
}

// drawPlot draws dots as a chart of plotRows lines; between two dots the value is
// taken to be that of the earlier.
func drawPlot(width int, dots []dot, total time.Duration) string {
	lo, hi := span(dots)
	labels := []string{strconv.FormatFloat(hi, 'g', 6, 64), strconv.FormatFloat(lo, 'g', 6, 64)}
	margin := max(len(labels[0]), len(labels[1]))
	columns := max(10, width-margin-3)
	grid := make([][]rune, plotRows)
	for i := range grid {
		grid[i] = []rune(strings.Repeat(" ", columns))
	}
	row := func(v float64) int {
		if hi == lo {
			return plotRows - 1
		}
		return plotRows - 1 - int(math.Round((v-lo)/(hi-lo)*(plotRows-1)))
	}
	column := func(t time.Duration) int {
		if total == 0 {
			return 0
		}
		return min(columns-1, int(int64(t)*int64(columns)/int64(total)))
	}
	for i, x := range dots {
		if !x.known {
			continue
		}
		from, to := column(x.at), columns
		if i+1 < len(dots) {
			to = max(from+1, column(dots[i+1].at))
		}
		for c := from; c < min(to, columns); c++ {
			grid[row(x.value)][c] = '─'
		}
		if i > 0 && dots[i-1].known { // the step from the value before
			a, b := row(dots[i-1].value), row(x.value)
			for r := min(a, b) + 1; r < max(a, b); r++ {
				grid[r][from] = '│'
			}
		}
	}
	var b strings.Builder
	for i, line := range grid {
		label := ""
		switch i {
		case 0:
			label = labels[0]
		case plotRows - 1:
			label = labels[1]
		}
		fmt.Fprintf(&b, "%*s ┤%s\n", margin, label, strings.TrimRight(string(line), " "))
	}
	end := seconds(total)
	fmt.Fprintf(&b, "%*s └%s\n%*s  0%*s\n", margin, "", strings.Repeat("─", columns), margin, "", columns-1, end)
	return b.String()
}

// svgPlot draws dots as an image.
func svgPlot(expr string, dots []dot, total time.Duration) string {
	const width, height, margin = 800, 300, 60
	lo, hi := span(dots)
	x := func(t time.Duration) float64 {
		return margin + float64(t)/math.Max(1, float64(total))*(width-2*margin)
	}
	y := func(v float64) float64 {
		if hi == lo {
			return height - margin
		}
		return height - margin - (v-lo)/(hi-lo)*(height-2*margin)
	}
	var path strings.Builder
	pen := false
	for i, p := range dots {
		switch {
		case !p.known:
			pen = false
			continue
		case pen:
			fmt.Fprintf(&path, "H%.1f V%.1f ", x(p.at), y(p.value))
		default:
			fmt.Fprintf(&path, "M%.1f %.1f ", x(p.at), y(p.value))
		}
		pen = true
		if i == len(dots)-1 {
			fmt.Fprintf(&path, "H%.1f", x(total))
		}
	}
	text := func(px, py float64, anchor, s string) string {
		return fmt.Sprintf("<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"%s\" font-family=\"monospace\" font-size=\"12\">%s</text>\n", px, py, anchor, html.EscapeString(s))
	}
	return fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %[1]d %[2]d\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n", width, height) +
		text(margin, margin/2, "start", expr) +
		text(margin-5, y(hi), "end", strconv.FormatFloat(hi, 'g', 6, 64)) + text(margin-5, y(lo), "end", strconv.FormatFloat(lo, 'g', 6, 64)) +
		text(margin, height-margin+18, "start", "0") + text(width-margin, height-margin+18, "end", seconds(total)) +
		fmt.Sprintf("<path d=\"M%d %d V%d H%d\" fill=\"none\" stroke=\"gray\"/>\n<path d=\"%s\" fill=\"none\" stroke=\"steelblue\" stroke-width=\"2\"/>\n</svg>\n",
			margin, margin/2+10, height-margin, width-margin, strings.TrimSpace(path.String()))
}
