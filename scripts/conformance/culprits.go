package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"yore/testprogs"
)

// The samples that say which expression goes wrong where (testprogs, `watch:`), or
// which commands lead back to where it did (`back:`): each is asked with many seeds,
// and the line found must be the marked one.

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
	ask := c.bisect
	var flags []string
	if p.Watch == "" {
		ask, flags = c.goBack, []string{"-gcflags=all=-N -l"}
	}
	prog, err := p.Make(flags...)
	if err != nil {
		c.err = err
		return c
	}
	for seed := 1; seed <= culpritSeeds; seed++ {
		if err := ask(ctx, yore, prog, strconv.Itoa(seed)); err != nil {
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

// evaluated is the line that ends an answer of reverse-watch.
var evaluated = regexp.MustCompile(`(\d+) evaluations, ([0-9.]+) s\.`)

// goBack runs a sample to its failure and follows its own commands from there.
func (c *culprits) goBack(ctx context.Context, yore, prog, seed string) error {
	args := []string{yore, "run", "--batch", "-nx", "-ex", "continue"}
	for _, line := range c.program.Back {
		args = append(args, "-ex", line)
	}
	out, err := execute(ctx, "", nil, "", append(args, "--", prog, seed)...)
	if err != nil {
		return err
	}
	for _, m := range evaluated.FindAllStringSubmatch(out.output, -1) {
		n, _ := strconv.Atoi(m[1])
		s, _ := strconv.ParseFloat(m[2], 64)
		c.evaluations, c.seconds = max(c.evaluations, n), max(c.seconds, s)
	}
	if strings.Contains(out.output, "This is the latest change.") {
		c.latest++
	}
	want, err := c.program.Line("culprit")
	if err != nil {
		return err
	}
	// Where the program is, is what was printed of it last.
	base := filepath.Base(c.program.Path)
	places := regexp.MustCompile(regexp.QuoteMeta(base)+`:(\d+)`).FindAllStringSubmatch(out.output, -1)
	if out.status != 0 || len(places) == 0 || places[len(places)-1][1] != strconv.Itoa(want) {
		return fmt.Errorf("status %d, not led to %s:%d: %s", out.status, base, want, clip(out.output+out.errors))
	}
	return nil
}
