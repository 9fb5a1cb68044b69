package gdb

import (
	"context"
	"fmt"
	"regexp"
	"strconv"

	"yore/debugger"
)

// ToMain is part of debugger.Beginner. A program without a symbol for main is
// stopped where the C library calls it, its first argument to __libc_start_main
// (System V ABI: rdi); one that does not use that function, at the program's entry
// point, when the dynamic loader has done its work.
func (g *Backend) ToMain(ctx context.Context) (out debugger.Outcome, named bool, err error) {
	err = g.do(ctx, func() error {
		_, err := g.captured(ctx, "-break-insert -t main")
		switch {
		case err == nil:
			named = true
			defer g.show()()
			_, err = g.send(ctx, "-exec-continue")
			out = g.outcome()
		case refusal(err) != nil:
			out, err = g.toUnnamedMain(ctx)
		}
		return err
	})
	if err == nil && !named {
		err = g.ShowStop(ctx)
	}
	return out, named, err
}

var entryPoint = regexp.MustCompile(`Entry point: (0x[0-9a-f]+)`)

// toUnnamedMain goes as near to main as it can be told without symbols.
func (g *Backend) toUnnamedMain(ctx context.Context) (out debugger.Outcome, err error) {
	text, err := g.captured(ctx, console("info files"))
	if err != nil {
		return out, err
	}
	m := entryPoint.FindStringSubmatch(text)
	if m == nil {
		return out, fmt.Errorf("gdb does not say where the program begins")
	}
	here, err := g.where(ctx)
	if err != nil {
		return out, err
	}
	places := []string{m[1], "__libc_start_main", "$rdi"}
	if entry, _ := strconv.ParseUint(m[1], 0, 64); entry == here.Addr { // there is no loader
		places = places[1:]
	}
	for _, place := range places {
		_, err := g.captured(ctx, "-break-insert -t *"+place)
		if refusal(err) != nil {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		if out, err = g.resume(ctx, "-exec-continue"); err != nil || out.Why != "breakpoint-hit" {
			return out, err
		}
		if err := g.libraries(ctx); err != nil {
			return out, err
		}
	}
	return out, nil
}
