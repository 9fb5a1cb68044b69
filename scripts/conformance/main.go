package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"yore/testprogs"
)

func main() {
	yore := flag.String("yore", "bin/yore", "the yore to test")
	only := flag.String("run", "", "only the programs that match this regular expression")
	quick := flag.Bool("quick", false, "only the quick part of the list")
	keep := flag.Bool("keep", false, "keep the recordings of failures")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(64)
	}
	match, err := regexp.Compile(*only)
	if err == nil {
		*yore, err = filepath.Abs(*yore)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(64)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Println("| program | events | threads | preemptions (counted / by image) | record × native | replay × native | bytes/s | most memory, MB | |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|")
	failed := 0
	for _, p := range list {
		if !match.MatchString(p.name) || *quick && !p.quick || ctx.Err() != nil {
			continue
		}
		r := check(ctx, *yore, p, *keep)
		fmt.Println(r.row())
		if r.err != nil {
			failed++
		}
	}
	if !*quick {
		failed += lookAll(ctx, *yore, match.MatchString)
		failed += editAll(ctx, *yore, match.MatchString)
		failed += travelAll(ctx, *yore, match.MatchString)
		failed += findCulprits(ctx, *yore, match)
	}
	if failed > 0 || ctx.Err() != nil {
		fmt.Printf("%d failed\n", failed)
		os.Exit(1)
	}
}

// findCulprits prints the table of bisected samples and returns how many failed.
func findCulprits(ctx context.Context, yore string, match *regexp.Regexp) (failed int) {
	ps, err := testprogs.All()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	head := "\n| sample | line found | proved latest | most evaluations | most seconds | |\n|---|---|---|---|---|---|"
	for _, p := range ps {
		// A frame's variable is asked for at the prompt (cmd/yore's tests).
		if p.Watch == "" && len(p.Back) == 0 || p.Frame != "" || !match.MatchString("bisect "+p.Name) || ctx.Err() != nil {
			continue
		}
		if head != "" {
			fmt.Println(head)
			head = ""
		}
		c := bisectSeeds(ctx, yore, p)
		fmt.Println(c.row())
		if c.err != nil {
			failed++
		}
	}
	return failed
}

// result is a row of the table.
type result struct {
	program  program
	missing  string // why it could not be run here
	err      error
	info     recordingInfo
	native   time.Duration
	recorded time.Duration
	replayed time.Duration
	memory   int64 // bytes
}

func (r *result) row() string {
	var last string
	switch {
	case r.missing != "":
		return fmt.Sprintf("| %s | | | | | | | | not run: %s |", r.program.name, r.missing)
	case r.err != nil:
		last = "FAILED: " + strings.Join(strings.Fields(r.err.Error()), " ")
	default:
		last = "verified"
	}
	counts := r.info.Meta.Counts
	counted := counts["preemptions by count"]
	return fmt.Sprintf("| %s | %d | %d | %d / %d | %s | %s | %.0f | %d | %s |", r.program.name, r.info.Events, r.info.Meta.Threads,
		counted, counts["preemptions"]-counted, over(r.recorded, r.native), over(r.replayed, r.native),
		float64(r.info.Size)/max(0.001, r.info.Meta.Seconds), r.memory>>20, last)
}

// over is a ratio of times, "" when there is none.
func over(a, b time.Duration) string {
	if a == 0 || b == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", float64(a)/float64(b))
}
