package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"yore/testprogs"
)

// The samples that say which expression goes wrong where (testprogs, `watch:`):
// each is bisected with many seeds, and the line found must be the marked one.

// culpritSeeds is how many seeds a sample is run with.
const culpritSeeds = 20

// culprits is a row of the second table.
type culprits struct {
	program     *testprogs.Program
	latest      int // answers that were proved to be the latest
	found       int
	evaluations int // of the answer that took most
	seconds     float64
	err         error
}

func (c *culprits) row() string {
	last := "found"
	if c.err != nil {
		last = "FAILED: " + c.err.Error()
	}
	return fmt.Sprintf("| %s | %d of %d | %d | %d | %.2f | %s |", c.program.Name, c.found, culpritSeeds, c.latest, c.evaluations, c.seconds, last)
}

// bisectSeeds bisects a sample with one seed after the other.
func bisectSeeds(ctx context.Context, yore string, p *testprogs.Program) (c culprits) {
	c.program = p
	prog, err := p.Make()
	if err != nil {
		c.err = err
		return c
	}
	for seed := 1; seed <= culpritSeeds; seed++ {
		if err := c.bisect(ctx, yore, prog, strconv.Itoa(seed)); err != nil {
			c.err = errors.Join(c.err, fmt.Errorf("seed %d: %w", seed, err))
			continue
		}
		c.found++
	}
	return c
}

func (c *culprits) bisect(ctx context.Context, yore, prog, seed string) error {
	out, err := execute(ctx, "", nil, "", yore, "bisect", "--json", "-nx", "--expr", c.program.Watch, "--", prog, seed)
	if err != nil {
		return err
	}
	var a struct {
		Found     bool
		Guarantee string
		Reason    string
		Location  struct {
			File string
			Line int
		}
		Evaluations int
		Seconds     float64
	}
	if err := json.Unmarshal([]byte(out.output), &a); err != nil {
		return fmt.Errorf("status %d: %w: %s", out.status, err, out.errors)
	}
	c.evaluations, c.seconds = max(c.evaluations, a.Evaluations), max(c.seconds, a.Seconds)
	if a.Guarantee == "latest" {
		c.latest++
	}
	if !c.program.HasMark("culprit") {
		if a.Found || out.status != 1 {
			return fmt.Errorf("status %d, found line %d; it never changes", out.status, a.Location.Line)
		}
		return nil
	}
	want, err := c.program.Line("culprit")
	if err != nil {
		return err
	}
	if !a.Found || out.status != 0 || a.Location.Line != want || filepath.Base(a.Location.File) != filepath.Base(c.program.Path) {
		return fmt.Errorf("status %d, found %s:%d, want line %d (%s)", out.status, filepath.Base(a.Location.File), a.Location.Line, want, clip(a.Reason))
	}
	return nil
}
