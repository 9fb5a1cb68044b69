package delve

import (
	"context"
	"fmt"
	"regexp"
	"sort"
	"strings"

	"github.com/go-delve/delve/pkg/proc"
)

// matching prints the names that match a regular expression, in order.
func (b *Backend) matching(pattern string, names []string) error {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	sort.Strings(names)
	last := ""
	for _, n := range names {
		if n != last && re.MatchString(n) {
			b.print(n + "\n")
		}
		last = n
	}
	return nil
}

func (b *Backend) funcs(_ context.Context, args string) error {
	var names []string
	for i := range b.p.bi.Functions {
		names = append(names, b.p.bi.Functions[i].Name)
	}
	return b.matching(args, names)
}

func (b *Backend) types(_ context.Context, args string) error {
	names, err := b.p.bi.Types()
	if err != nil {
		return err
	}
	return b.matching(args, names)
}

func (b *Backend) sources(_ context.Context, args string) error {
	return b.matching(args, append([]string(nil), b.p.bi.Sources...))
}

func (b *Backend) packages(_ context.Context, args string) error {
	var names []string
	for _, list := range b.p.bi.PackageMap {
		names = append(names, list...)
	}
	return b.matching(args, names)
}

func (b *Backend) libraries(context.Context, string) error {
	for i, img := range b.p.bi.Images {
		if i > 0 {
			b.printf("%d. %#x %s\n", i, img.StaticBase, img.Path)
		}
	}
	return nil
}

// infoLine is gdb's `info line [LOCATION]`.
func (b *Backend) infoLine(_ context.Context, args string) error {
	locs, err := b.breakAt(args, &plan{})
	if err != nil {
		return err
	}
	for _, l := range locs {
		for _, pc := range addresses(l) {
			f, n, fn := b.p.bi.PCToLine(pc)
			b.printf("Line %d of %s starts at address %#x <%s+%d>\n", n, b.short(f), pc, name(fn), pc-entry(fn))
		}
	}
	return nil
}

func entry(fn *proc.Function) uint64 {
	if fn == nil {
		return 0
	}
	return fn.Entry
}

// infoSymbol is gdb's `info symbol ADDRESS`.
func (b *Backend) infoSymbol(_ context.Context, args string) error {
	addr, err := b.address(args)
	if err != nil {
		return err
	}
	fn := b.p.bi.PCToFunc(addr)
	if fn == nil {
		return fmt.Errorf("no function is at %#x", addr)
	}
	f, l, _ := b.p.bi.PCToLine(addr)
	b.printf("%s + %d at %s:%d\n", fn.Name, addr-fn.Entry, b.short(f), l)
	return nil
}

// infoSource is gdb's `info source`, infoProgram its `info program`.
func (b *Backend) infoProgram(context.Context, string) error {
	l, err := b.where()
	if err != nil {
		return err
	}
	b.printf("%s, built by %s\n", b.prog.ExecFile(), strings.TrimSpace(b.p.bi.Producer()))
	b.printf("at %s:%d in %s\n", b.short(l.FullName), l.Line, l.Function)
	return nil
}
