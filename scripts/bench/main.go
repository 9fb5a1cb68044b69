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
)

// bench is one invocation.
type bench struct {
	yore string // the program under test
	dir  string // workloads and recordings, removed at the end
	runs int    // repetitions of a run; the median counts
	ops  int    // repetitions of an operation within a session
}

func main() {
	b := &bench{}
	flag.StringVar(&b.yore, "yore", "bin/yore", "the yore to measure")
	flag.IntVar(&b.runs, "runs", 5, "runs of each program; the median counts")
	flag.IntVar(&b.ops, "ops", 200, "repetitions of each reverse operation")
	only := flag.String("rows", "", "measure only the rows that match this regular expression")
	list := flag.Bool("list", false, "list the rows")
	flag.Parse()
	if flag.NArg() > 0 || b.runs < 1 || b.ops < 1 {
		flag.Usage()
		os.Exit(64)
	}
	if *list {
		for _, r := range rows {
			fmt.Println(r.name)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	ok, err := b.run(ctx, *only)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run measures the rows whose name matches and prints each as it is known. It
// reports whether all of them could be measured.
func (b *bench) run(ctx context.Context, only string) (bool, error) {
	match, err := regexp.Compile(only)
	if err != nil {
		return false, err
	}
	if b.yore, err = filepath.Abs(b.yore); err != nil {
		return false, err
	}
	if b.dir, err = os.MkdirTemp("", "yore-bench-"); err != nil {
		return false, err
	}
	defer os.RemoveAll(b.dir)
	fmt.Println(machine())
	fmt.Println()
	fmt.Println("| what | best peer | asked | measured | |")
	fmt.Println("|---|---|---|---|---|")
	measured := true
	for _, r := range rows {
		if !match.MatchString(r.name) || ctx.Err() != nil {
			continue
		}
		rowCtx, cancel := context.WithTimeout(ctx, 10*time.Minute)
		got, err := r.measure(rowCtx, b)
		cancel()
		if err != nil {
			measured = false
			fmt.Printf("| %s | %s | %s | not measured: %s | ✗ |\n", r.name, r.peer, r.asked(), oneLine(err))
			continue
		}
		fmt.Printf("| %s | %s | %s | %s | %s |\n", r.name, r.peer, r.asked(), r.print(got), r.verdict(got))
	}
	return measured, ctx.Err()
}

func oneLine(err error) string {
	return strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
}

// machine is a line about where the figures come from.
func machine() string {
	model := "x86-64"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if m := regexp.MustCompile(`(?m)^model name\s*: (.*)$`).FindSubmatch(b); m != nil {
			model = string(m[1])
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%s, %d cores, Linux %s, %s", model, cores(), strings.TrimSpace(string(kernel)), time.Now().Format("2006-01-02"))
}
