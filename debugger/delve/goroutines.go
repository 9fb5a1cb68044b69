package delve

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/go-delve/delve/pkg/goversion"
	"github.com/go-delve/delve/pkg/proc"
	"github.com/go-delve/delve/service/api"

	"yore/debugger"
)

// goroutinesVerb is `goroutines [-u|-r|-g|-s] [-t [N]] [-l] [-chan EXPR]
// [-with|-without KIND [TEXT]] [-group KIND] [-exec COMMAND]`.
func goroutinesVerb(b *Backend, ctx context.Context, args string) (debugger.Outcome, error) {
	q, err := parseQuery(args)
	if err != nil {
		return debugger.Outcome{}, err
	}
	all, err := b.goroutines(q)
	if err != nil {
		return debugger.Outcome{}, err
	}
	if q.group != "" {
		b.showGroups(q, all)
		return debugger.Outcome{}, nil
	}
	for _, g := range all {
		b.print(b.goroutineLine(g, q) + "\n")
		if q.labels {
			b.showLabels(g)
		}
		if q.depth > 0 {
			b.showGoroutineStack(g, q.depth)
		}
		if q.exec != "" {
			if out, err := b.onGoroutine(ctx, g, q.exec); err != nil || out.Moved {
				return out, err
			}
		}
	}
	b.printf("[%d goroutines]\n", len(all))
	return debugger.Outcome{}, nil
}

// goroutines returns those that a query wants, in order of their ids.
func (b *Backend) goroutines(q query) ([]*proc.G, error) {
	t := b.target()
	all, _, err := proc.GoroutinesInfo(t, 0, 0)
	if err != nil {
		return nil, err
	}
	if q.channel != "" {
		scope, err := b.scope()
		if err != nil {
			return nil, err
		}
		ids, err := scope.ChanGoroutines(q.channel, 0, 0)
		if err != nil {
			return nil, err
		}
		waits := map[int64]bool{}
		for _, id := range ids {
			waits[id] = true
		}
		q.filters = append(q.filters, filter{wants: func(_ *Backend, g *proc.G) bool { return waits[g.ID] }})
	}
	var out []*proc.G
	for _, g := range all {
		if g.Unreadable == nil && q.wants(b, g) {
			out = append(out, g)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out, nil
}

// goroutineLine describes a goroutine in a line of a list.
func (b *Backend) goroutineLine(g *proc.G, q query) string {
	t := b.target()
	sign := " "
	if s := t.SelectedGoroutine(); s != nil && s.ID == g.ID {
		sign = "*"
	}
	kind, l := "User", proc.Location{}
	switch q.show {
	case 'r':
		kind, l = "Runtime", g.CurrentLoc
	case 'g':
		kind, l = "Go", g.Go()
	case 's':
		kind, l = "Start", g.StartLoc(t)
	default:
		l = g.UserCurrent()
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s Goroutine %d - %s: %s %s (%#x)", sign, g.ID, kind, b.line(l), name(l.Fn), l.PC)
	if g.Thread != nil {
		fmt.Fprintf(&out, " (thread %d)", g.Thread.ThreadID())
	}
	if s := b.state(g); s != "" {
		fmt.Fprintf(&out, " [%s]", s)
	}
	return out.String()
}

// state says what a goroutine waits for, "" when it runs or is ready to.
func (b *Backend) state(g *proc.G) string {
	switch g.Status {
	case proc.Gwaiting:
		v := goversion.ParseProducer(b.p.bi.Producer())
		return api.WaitReasonString(&v, g.WaitReason)
	case proc.Gsyscall:
		return "syscall"
	case proc.Grunnable:
		return "runnable"
	}
	return ""
}

func (b *Backend) showLabels(g *proc.G) {
	labels := g.Labels()
	var keys []string
	for k := range labels {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		b.printf("\t%s: %s\n", k, labels[k])
	}
}

func (b *Backend) showGoroutineStack(g *proc.G, depth int) {
	frames, err := proc.GoroutineStacktrace(b.target(), g, depth-1, 0)
	if err != nil {
		b.printf("\t(%v)\n", err)
		return
	}
	for i := range frames {
		b.printf("\t%d  0x%016x in %s\n\t    at %s\n", i, frames[i].Current.PC, name(frames[i].Call.Fn), b.line(frames[i].Call))
	}
}

// showGroups prints goroutines in groups, five of each.
func (b *Backend) showGroups(q query, all []*proc.G) {
	const shown = 5
	groups := map[string][]*proc.G{}
	for _, g := range all {
		k := b.groupOf(q.group, g)
		groups[k] = append(groups[k], g)
	}
	var keys []string
	for k := range groups {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		if len(groups[keys[i]]) != len(groups[keys[j]]) {
			return len(groups[keys[i]]) > len(groups[keys[j]])
		}
		return keys[i] < keys[j]
	})
	for _, k := range keys {
		b.printf("%s\n", k)
		for i, g := range groups[k] {
			if i == shown {
				b.print("\t...\n")
				break
			}
			b.print("\t" + b.goroutineLine(g, q) + "\n")
		}
		b.printf("\tTotal: %d\n", len(groups[k]))
	}
	b.printf("[%d goroutines]\n", len(all))
}

// goroutineVerb is `goroutine [N [COMMAND]]`.
func goroutineVerb(b *Backend, ctx context.Context, args string) (debugger.Outcome, error) {
	word, command := cut(args)
	if word == "" {
		return debugger.Outcome{}, b.showGoroutine()
	}
	id, err := strconv.ParseInt(word, 0, 64)
	if err != nil {
		return debugger.Outcome{}, fmt.Errorf("goroutine %s: want a goroutine's number, as `goroutines` shows it", word)
	}
	g, err := proc.FindGoroutine(b.target(), id)
	if err != nil {
		return debugger.Outcome{}, fmt.Errorf("there is no goroutine %d now", id)
	}
	if command != "" {
		return b.onGoroutine(ctx, g, command)
	}
	from := int64(0)
	if s := b.target().SelectedGoroutine(); s != nil {
		from = s.ID
	}
	if err := b.selectGoroutine(g); err != nil {
		return debugger.Outcome{}, err
	}
	b.printf("Switched from %d to %d (thread %d)\n", from, id, b.target().CurrentThread().ThreadID())
	return debugger.Outcome{}, nil
}

func (b *Backend) selectGoroutine(g *proc.G) error {
	b.frame, b.deferred = 0, 0
	return b.target().SwitchGoroutine(g)
}

// onGoroutine executes a command with another goroutine selected.
func (b *Backend) onGoroutine(ctx context.Context, g *proc.G, command string) (debugger.Outcome, error) {
	t := b.target()
	old, oldThread, frame, deferred := t.SelectedGoroutine(), t.CurrentThread().ThreadID(), b.frame, b.deferred
	if err := b.selectGoroutine(g); err != nil {
		return debugger.Outcome{}, err
	}
	out, err := b.command(ctx, command)
	if out.Moved {
		return out, err
	}
	if serr := t.SwitchThread(oldThread); serr == nil && old != nil {
		t.SwitchGoroutine(old)
	}
	b.frame, b.deferred = frame, deferred
	return out, err
}

// showGoroutine describes the selected goroutine.
func (b *Backend) showGoroutine() error {
	t := b.target()
	g := t.SelectedGoroutine()
	if g == nil {
		return errNoGoroutine
	}
	if g.Thread != nil {
		b.printf("Thread %d\n", g.Thread.ThreadID())
	}
	b.printf("Goroutine %d:\n", g.ID)
	if s := b.state(g); s != "" {
		b.printf("\tState: %s\n", s)
	}
	for _, l := range []struct {
		kind string
		at   proc.Location
	}{{"Runtime", g.CurrentLoc}, {"User", g.UserCurrent()}, {"Go", g.Go()}, {"Start", g.StartLoc(t)}} {
		b.printf("\t%s: %s %s (%#x)\n", l.kind, b.line(l.at), name(l.at.Fn), l.at.PC)
	}
	b.showLabels(g)
	return nil
}

// listThreads is `threads`, `info threads`.
func (b *Backend) listThreads(context.Context, string) error {
	current := b.target().CurrentThread().ThreadID()
	for _, t := range b.threads() {
		sign := " "
		if t.id == current {
			sign = "*"
		}
		where := "?"
		if r, err := t.Registers(); err == nil {
			f, l, fn := b.p.bi.PCToLine(r.PC())
			where = fmt.Sprintf("%#x %s %s", r.PC(), b.line(proc.Location{PC: r.PC(), File: f, Line: l}), name(fn))
		}
		runs := ""
		if g, err := proc.GetG(t); err == nil && g != nil {
			runs = fmt.Sprintf(" (goroutine %d)", g.ID)
		}
		b.printf("%s Thread %d at %s%s\n", sign, t.id, where, runs)
	}
	return nil
}

// threadVerb is `thread [ID]`.
func (b *Backend) threadVerb(_ context.Context, args string) error {
	if args == "" {
		b.printf("Thread %d\n", b.target().CurrentThread().ThreadID())
		return nil
	}
	id, err := strconv.Atoi(args)
	if err != nil {
		return errors.New("thread: want a thread's number, as `threads` shows it")
	}
	old := b.target().CurrentThread().ThreadID()
	if _, ok := b.p.threads[id]; !ok {
		return fmt.Errorf("there is no thread %d now", id)
	}
	if err := b.target().SwitchThread(id); err != nil {
		return err
	}
	b.frame, b.deferred = 0, 0
	b.printf("Switched from thread %d to %d\n", old, id)
	return nil
}
