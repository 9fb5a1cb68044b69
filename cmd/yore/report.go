package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"yore/cmd/yore/internal/inspect"
	"yore/cmd/yore/internal/live"
	"yore/cmd/yore/internal/report"
	"yore/debugger"
	"yore/debugger/session"
	"yore/engine"
	"yore/engine/image"
	"yore/engine/pack"
	"yore/engine/timeline"
	"yore/engine/trace"
)

// reporter is `yore report`.
type reporter struct {
	session  sessionFlags
	output   string
	expr     string
	plots    []string
	note     string
	noBundle bool
	nx       bool
}

func newReport() *cobra.Command {
	r := &reporter{}
	cmd := &cobra.Command{
		Use:   "report [FLAGS] [RECORDING]",
		Short: "write a report for a tracker, with the bundle",
		Long: "report writes report.md, report.html (one page that needs nothing else) and the bundle into a directory: how\n" +
			"the program ended, the backtraces of its threads with source lines, its last output and events, the timeline,\n" +
			"with --expr the statement that gave an expression its value, with --plot a number's course over history, and\n" +
			"the commands that open the bundle.\n" +
			"RECORDING is a directory, a bundle, or a name in the store; left out, it is the latest.",
		Example:           "  yore report\n  yore report -o crash.report --expr 'list_len(head) <= 10' --plot 'list_len(head)' crash.yore.zip",
		Args:              atMost(1),
		ValidArgsFunction: completeRecordings,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := r.session.check(); err != nil {
				return err
			}
			rec, err := openRecorded(args)
			if err != nil {
				return err
			}
			defer rec.close()
			dir := r.output
			if dir == "" {
				dir = strings.TrimSuffix(rec.name(), bundleSuffix) + ".report"
			}
			if err := r.write(cmd.Context(), rec, dir); err != nil {
				return recordingStatus(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "report: %s\n", dir)
			return nil
		},
	}
	cmd.Flags().StringVarP(&r.output, "output", "o", "", "the report's `DIR`; by default the recording's name with .report")
	cmd.Flags().StringVar(&r.expr, "expr", "", "find the statement that gave `EXPR` its value, as bisect does")
	cmd.Flags().StringArrayVar(&r.plots, "plot", nil, "draw the value of `EXPR`, a number, over history; repeatable")
	cmd.Flags().StringVar(&r.note, "note", "", "a remark, `TEXT`")
	cmd.Flags().BoolVar(&r.noBundle, "no-bundle", false, "write no bundle")
	cmd.Flags().BoolVar(&r.nx, "nx", false, "do not read ~/.gdbinit and its like")
	r.session.registerReplay(cmd.Flags())
	return cmd
}

// write makes the directory.
func (r *reporter) write(ctx context.Context, rec *recorded, dir string) error {
	if ctx == nil {
		ctx = context.Background()
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	out := &report.Report{Note: r.note}
	if rec.bundle != nil && out.Note == "" {
		out.Note = rec.bundle.Manifest.Note
	}
	if err := r.gather(ctx, rec, out); err != nil {
		return err
	}
	if !r.noBundle {
		name := strings.TrimSuffix(rec.name(), bundleSuffix) + bundleSuffix
		o := pack.Options{Yore: versionLine(), Note: out.Note, From: rec.bundle}
		if rec.bundle != nil {
			o.Name, o.Session = rec.bundle.Manifest.Name, rec.bundle.Manifest.Session
		}
		if _, err := pack.Pack(rec.dir, filepath.Join(dir, name), o); err != nil {
			return err
		}
		out.Commands = []string{"yore info " + inspect.Quote(name), "yore replay " + inspect.Quote(name)}
	}
	html, err := out.HTML()
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	for name, text := range map[string]string{"report.md": out.Markdown(), "report.html": html} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	return nil
}

// gather fills in what the recording and its end tell.
func (r *reporter) gather(ctx context.Context, rec *recorded, out *report.Report) error {
	s, err := rec.open(ctx, engine.Options{CheckpointMemory: int64(r.session.CheckpointMemory)})
	if err != nil {
		return err
	}
	defer s.Close()
	m := s.Meta()
	command := inspect.Command(trace.Strings(m.Args))
	out.Title = inspect.Printable(filepath.Base(string(m.Program))) + ": " + m.Ended.String()
	fact := func(name, format string, args ...any) {
		out.Facts = append(out.Facts, report.Fact{Name: name, Value: inspect.Printable(fmt.Sprintf(format, args...))})
	}
	fact("program", "%s", m.Program)
	fact("command", "%s", command)
	fact("directory", "%s", m.Cwd)
	fact("ended", "%s", m.Ended)
	fact("recorded", "%s, %.3f s, %d events, %d threads", m.Began.Local().Format(time.RFC1123Z), m.Seconds, s.Events()+1, m.Threads)
	fact("machine", "%s, %d cores, Linux %s", m.Machine.CPU, m.Machine.CPUs, m.Machine.Kernel)
	if id := m.BuildIDs[string(m.Program)]; id != "" {
		fact("build-id", "%s", id)
	}
	if err := fromLog(rec.dir, out, s); err != nil {
		return err
	}
	if rec.bundle != nil {
		for _, b := range rec.bundle.Manifest.Session.Bookmarks {
			mark := report.Mark{Name: inspect.Printable(b.Name), Position: inspect.Printable(b.Position), What: inspect.Printable(b.What)}
			if p, err := timeline.Parse(b.Position); err == nil && p.Event <= s.Events() && out.Timeline.Total > 0 {
				mark.At = float64(s.EventTime(p.Event)) / float64(out.Timeline.Total)
			}
			out.Marks = append(out.Marks, mark)
		}
	}
	files := rec.files(&r.session)
	back, _, end, err := r.session.openBackend(ctx, &live.Target{Session: s}, rec.exe(s), backendOptions{NoInit: r.nx, Print: func(string) {}, Files: files})
	if err != nil {
		return err
	}
	defer end()
	d, err := debugger.New(ctx, back, session.New(s), silent{}, debugger.Options{})
	if err != nil {
		return err
	}
	defer d.Close()
	root := ""
	if rec.bundle != nil {
		root = rec.bundle.Root
	}
	if out.Threads, err = backtraces(ctx, back, root); err != nil {
		return err
	}
	for _, expr := range r.plots {
		p, err := d.Plot(ctx, expr)
		if err != nil {
			return err
		}
		const columns = 100
		out.Plots = append(out.Plots, report.Plot{Expr: expr, Text: p.Text(columns), SVG: p.SVG()})
	}
	if r.expr != "" {
		return r.bisect(ctx, d, out)
	}
	return nil
}

// bisect adds the answer for an expression; that there is none is an answer too.
func (r *reporter) bisect(ctx context.Context, d *debugger.Debugger, out *report.Report) error {
	c, err := d.Bisect(ctx, debugger.Question{Expr: r.expr})
	if errors.As(err, new(*debugger.UnchangedError)) {
		out.Facts = append(out.Facts, report.Fact{Name: "bisect", Value: err.Error()})
		return nil
	}
	if err != nil {
		return fmt.Errorf("bisect: %w", err)
	}
	guarantee := "the latest change"
	if c.Guarantee != debugger.Latest {
		guarantee = "a transition: " + c.Reason
	}
	out.Change = &report.Change{Expr: r.expr, Before: c.Before, After: c.After, Where: frameText(c.Location), Source: c.Source,
		Position: c.Position.String(), Guarantee: guarantee, Frames: frames(c.Backtrace)}
	return nil
}

// backtraces are those of all threads, the selected one first. root is what was / to
// the program.
func backtraces(ctx context.Context, back debugger.Backend, root string) ([]report.Thread, error) {
	const most = 64
	list, err := back.Threads(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(list, func(a, b debugger.Thread) int {
		switch {
		case a.Current == b.Current:
			return 0
		case a.Current:
			return -1
		}
		return 1
	})
	var out []report.Thread
	for i, t := range list {
		if i == most {
			break
		}
		if i > 0 {
			if _, err := back.Console(ctx, fmt.Sprintf("thread %d", t.Number)); err != nil {
				continue // a backend without that shows the present one
			}
		}
		fs, err := back.Backtrace(ctx, 50)
		if err != nil {
			return nil, err
		}
		for k := range fs {
			fs[k].Object = strings.TrimPrefix(fs[k].Object, root)
		}
		th := report.Thread{Name: fmt.Sprintf("Thread %d (%d)", t.Number, t.ID), Frames: frames(fs)}
		if t.Name != "" {
			th.Name += " " + t.Name
		}
		if i == 0 {
			addSource(&th, fs)
		}
		out = append(out, th)
	}
	return out, nil
}

// addSource adds the lines around the innermost frame whose source is there.
func addSource(t *report.Thread, list []debugger.Frame) {
	const around = 5
	for _, f := range list {
		text, err := os.ReadFile(f.FullName)
		if err != nil || f.Line <= 0 {
			continue
		}
		lines := strings.Split(string(text), "\n")
		if f.Line > len(lines) {
			continue
		}
		first := max(1, f.Line-around)
		for _, l := range lines[first-1 : min(len(lines), f.Line+around)] {
			t.Source = append(t.Source, inspect.Printable(strings.ReplaceAll(strings.TrimSuffix(l, "\r"), "\t", "        ")))
		}
		t.First, t.At = first, f.Line
		return
	}
}

func frames(list []debugger.Frame) []report.Frame {
	var out []report.Frame
	for _, f := range list {
		out = append(out, report.Frame{Level: f.Level, Text: frameText(f.Location)})
	}
	return out
}

// fromLog adds the last output and events, and the timeline.
func fromLog(dir string, out *report.Report, s *engine.Session) error {
	const events, lines, parts, lanes = 15, 20, 160, 12
	rec, err := trace.OpenRecording(dir)
	if err != nil {
		return err
	}
	defer rec.Close()
	last := rec.Log.Len() - 1
	total := s.EventTime(last)
	at := func(d time.Duration) float64 {
		if total <= 0 {
			return 0
		}
		return float64(d) / float64(total)
	}
	out.Timeline.Total = total
	lane := map[int32]int{}
	err = rec.Log.Scan(rec.Meta().First, last+1, trace.Filter{}, func(i int64, e *trace.Event) bool {
		k, ok := lane[e.TID]
		if !ok {
			k = len(lane)
			lane[e.TID] = k
			if k < lanes {
				out.Timeline.Lanes = append(out.Timeline.Lanes, report.Lane{Name: fmt.Sprintf("thread %d", e.TID), Counts: make([]int, parts)})
			}
		}
		if k < lanes {
			out.Timeline.Lanes[k].Counts[min(parts-1, max(0, int(at(time.Duration(e.Time))*parts)))]++
		}
		if i > last-events {
			text := fmt.Sprintf("%d %s", i, trace.FormatEvent(e))
			if len(text) > 160 {
				text = text[:157] + "..."
			}
			out.Events = append(out.Events, inspect.Printable(text))
		}
		return true
	})
	if err != nil {
		return err
	}
	err = s.OutputLines(context.Background(), nil, func(o trace.OutputLine) bool {
		out.Output = append(out.Output, inspect.Printable(string(o.Text)))
		if len(out.Output) > lines {
			out.Output = out.Output[1:]
		}
		return true
	})
	if err != nil {
		return err
	}
	list, err := image.List(rec.ImagesDir())
	if err != nil {
		return err
	}
	for _, e := range list {
		out.Timeline.Images = append(out.Timeline.Images, at(time.Duration(e.Time)))
	}
	return nil
}
