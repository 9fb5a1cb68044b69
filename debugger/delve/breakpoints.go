package delve

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/go-delve/delve/pkg/proc"
	"github.com/go-delve/delve/service/api"
)

// breakpoints is what this package knows of the person's breakpoints beyond what
// Delve keeps.
type breakpoints struct {
	next      int // the next one's number
	temporary map[int]bool
	commands  map[int][]string
	logs      map[int][]string // of log points: texts and expressions in turn
}

func (k *breakpoints) init() {
	k.next = 1
	k.temporary, k.commands, k.logs = map[int]bool{}, map[int][]string{}, map[int][]string{}
}

// plan is a breakpoint to be made.
type plan struct {
	name      string
	cond      string
	temporary bool
	trace     bool
	quiet     bool // say nothing
}

// set makes a breakpoint at a location.
func (b *Backend) set(l api.Location, p plan) (*proc.LogicalBreakpoint, error) {
	var pcs []proc.PidAddr
	for _, pc := range addresses(l) {
		if old, ok := b.p.bps.M[pc]; ok && old.IsUser() && old.WatchType == 0 && old.LogicalID() > 0 {
			return nil, fmt.Errorf("breakpoint %d is there already: %s", old.LogicalID(), b.placeOf(old))
		}
		pcs = append(pcs, proc.PidAddr{Pid: b.target().Pid(), Addr: pc})
	}
	lbp := &proc.LogicalBreakpoint{LogicalID: b.breaks.next, Name: p.name, HitCount: map[int64]uint64{},
		Tracepoint: p.trace, Set: proc.SetBreakpoint{PidAddrs: pcs}}
	if err := b.grp.ChangeBreakpointCondition(lbp, p.cond, "", false); err != nil {
		return nil, fmt.Errorf("condition %s: %w", p.cond, syntaxError(err))
	}
	b.grp.LogicalBreakpoints[lbp.LogicalID] = lbp
	if err := b.grp.SetBreakpointEnabled(lbp, true); err != nil {
		delete(b.grp.LogicalBreakpoints, lbp.LogicalID)
		return nil, err
	}
	b.breaks.next++
	if p.temporary {
		b.breaks.temporary[lbp.LogicalID] = true
	}
	if !p.quiet {
		kind := map[bool]string{false: "Breakpoint", true: "Tracepoint"}[p.trace]
		if p.temporary {
			kind = "Temporary breakpoint"
		}
		b.printf("%s %d set at %s\n", kind, lbp.LogicalID, b.sites(lbp))
	}
	return lbp, nil
}

func (b *Backend) placeOf(bp *proc.Breakpoint) string {
	return fmt.Sprintf("%#x for %s() %s:%d", bp.Addr, bp.FunctionName, b.short(bp.File), bp.Line)
}

// sites says where a breakpoint is.
func (b *Backend) sites(lbp *proc.LogicalBreakpoint) string {
	var out []string
	for _, bp := range b.physical(lbp.LogicalID) {
		if bp.WatchType != 0 {
			out = append(out, fmt.Sprintf("%#x (%d bytes) for %s", bp.Addr, bp.WatchType.Size(), bp.WatchExpr))
		} else {
			out = append(out, b.placeOf(bp))
		}
	}
	if len(out) == 0 {
		for _, a := range lbp.Set.PidAddrs {
			f, l, fn := b.p.bi.PCToLine(a.Addr)
			out = append(out, fmt.Sprintf("%#x for %s() %s:%d", a.Addr, name(fn), b.short(f), l))
		}
	}
	return strings.Join(out, ", ")
}

// physical are the places of a breakpoint, in order of address.
func (b *Backend) physical(id int) []*proc.Breakpoint {
	var out []*proc.Breakpoint
	for _, bp := range b.p.bps.M {
		if bp.LogicalID() == id {
			out = append(out, bp)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Addr < out[j].Addr })
	return out
}

// all are the person's breakpoints, in order of number. Delve's own, for panics,
// have negative ones.
func (b *Backend) all() []*proc.LogicalBreakpoint {
	var out []*proc.LogicalBreakpoint
	for _, lbp := range b.grp.LogicalBreakpoints {
		if lbp.LogicalID > 0 {
			out = append(out, lbp)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].LogicalID < out[j].LogicalID })
	return out
}

// named finds a breakpoint by number or name; $bpnum is the newest, as in gdb.
func (b *Backend) named(word string) (*proc.LogicalBreakpoint, error) {
	if all := b.all(); word == "$bpnum" && len(all) > 0 {
		return all[len(all)-1], nil
	}
	for _, lbp := range b.grp.LogicalBreakpoints {
		if strconv.Itoa(lbp.LogicalID) == word || lbp.Name != "" && lbp.Name == word {
			return lbp, nil
		}
	}
	return nil, fmt.Errorf("there is no breakpoint %s", word)
}

// several finds breakpoints: numbers, names, and ranges such as 2-4.
func (b *Backend) several(args string) ([]*proc.LogicalBreakpoint, error) {
	var out []*proc.LogicalBreakpoint
	for _, word := range strings.Fields(args) {
		lo, hi, isRange := strings.Cut(word, "-")
		if isRange && number(lo) && number(hi) {
			from, _ := strconv.Atoi(lo)
			to, _ := strconv.Atoi(hi)
			for _, lbp := range b.all() {
				if lbp.LogicalID >= from && lbp.LogicalID <= to {
					out = append(out, lbp)
				}
			}
			continue
		}
		lbp, err := b.named(word)
		if err != nil {
			return nil, err
		}
		out = append(out, lbp)
	}
	return out, nil
}

// remove deletes a breakpoint.
func (b *Backend) remove(lbp *proc.LogicalBreakpoint) error {
	id := lbp.LogicalID
	for _, bp := range b.physical(id) {
		if err := b.target().ClearBreakpoint(bp.Addr); err != nil {
			return err
		}
	}
	delete(b.grp.LogicalBreakpoints, id)
	delete(b.breaks.temporary, id)
	delete(b.breaks.commands, id)
	delete(b.breaks.logs, id)
	return nil
}

// isWatch reports whether a breakpoint watches memory.
func (b *Backend) isWatch(lbp *proc.LogicalBreakpoint) bool {
	for _, bp := range b.physical(lbp.LogicalID) {
		if bp.WatchType != 0 {
			return true
		}
	}
	return false
}

// describe prints a breakpoint as Delve lists it.
func (b *Backend) describe(lbp *proc.LogicalBreakpoint) {
	kind := "Breakpoint"
	switch {
	case b.isWatch(lbp):
		kind = "Watchpoint"
	case lbp.Tracepoint:
		kind = "Tracepoint"
	}
	state := "enabled"
	if !lbp.Enabled() {
		state = "disabled"
	}
	if b.breaks.temporary[lbp.LogicalID] {
		state += ", temporary"
	}
	number := strconv.Itoa(lbp.LogicalID)
	if lbp.Name != "" {
		number += " " + lbp.Name
	}
	b.printf("%s %s (%s) at %s (%d)\n", kind, number, state, b.sites(lbp), lbp.TotalHitCount)
	if c := conditionText(lbp); c != "" {
		b.printf("\tcond %s\n", c)
	}
	if h := lbp.HitCond(); h != "" {
		b.printf("\tcond -hitcount %s\n", h)
	}
	for _, x := range lbp.Variables {
		b.printf("\tprint %s\n", x)
	}
	for _, c := range b.breaks.commands[lbp.LogicalID] {
		b.printf("\t%s\n", c)
	}
}

func conditionText(lbp *proc.LogicalBreakpoint) string {
	if s := lbp.Cond(); s != "nil" {
		return s
	}
	return ""
}
