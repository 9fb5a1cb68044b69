// Command testall runs `go test` with the arguments it is given, prints what
// go test prints, and then every test that was skipped, with its reason. make
// test runs it, so that nothing is skipped silently.
//
// It reads go test's JSON stream; a test's own output is shown when the test
// failed. The exit status is go test's.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"sort"
	"strings"
	"syscall"
)

func main() {
	cmd := exec.Command("go", append([]string{"test", "-json"}, os.Args[1:]...)...)
	cmd.Stderr = os.Stderr
	// ^C goes to the whole process group; go test ends and so does the stream.
	signal.Ignore(os.Interrupt)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	out, err := cmd.StdoutPipe()
	if err != nil {
		fatal(err)
	}
	if err := cmd.Start(); err != nil {
		fatal(err)
	}
	r := newReport(os.Stdout)
	readErr := r.read(out)
	err = cmd.Wait()
	r.close()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(max(1, exit.ExitCode()))
	case err != nil:
		fatal(err)
	case readErr != nil:
		fatal(readErr)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "testall:", err)
	os.Exit(1)
}

// event is a line of the stream: see `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
}

// report turns events into text.
type report struct {
	w     io.Writer
	tests map[string]*strings.Builder // output of top-level tests that run, by package and name
	last  map[string]string           // the latest line that a test logged
	skips []string
	count struct{ pass, fail, skip int }
}

func newReport(w io.Writer) *report {
	return &report{w: w, tests: map[string]*strings.Builder{}, last: map[string]string{}}
}

func (r *report) read(in io.Reader) error {
	b := bufio.NewReader(in)
	for {
		line, err := b.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				r.w.Write(line) // go itself speaks
			} else {
				r.add(e)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (r *report) add(e event) {
	if e.Action == "build-output" {
		io.WriteString(r.w, e.Output)
		return
	}
	if e.Test == "" {
		switch e.Action {
		case "output":
			if e.Output != "PASS\n" && !strings.HasPrefix(e.Output, "=== ") {
				io.WriteString(r.w, e.Output)
			}
		case "fail":
			r.flush(e.Package)
		}
		return
	}
	top, _, isSub := strings.Cut(e.Test, "/")
	key, id := e.Package+" "+top, e.Package+" "+e.Test
	switch e.Action {
	case "output":
		if strings.HasPrefix(e.Output, "=== ") {
			return
		}
		if r.tests[key] == nil {
			r.tests[key] = &strings.Builder{}
		}
		r.tests[key].WriteString(e.Output)
		if !strings.HasPrefix(strings.TrimSpace(e.Output), "--- ") {
			r.last[id] = e.Output
		}
	case "skip":
		r.count.skip++
		r.skips = append(r.skips, fmt.Sprintf("%s %s: %s", e.Package, e.Test, reason(r.last[id])))
	case "fail":
		r.count.fail++
	case "pass":
		r.count.pass++
	}
	switch e.Action {
	case "pass", "skip", "fail":
		delete(r.last, id)
		if !isSub {
			if e.Action == "fail" {
				r.print(key)
			}
			delete(r.tests, key)
		}
	}
}

func (r *report) print(key string) {
	if b := r.tests[key]; b != nil {
		io.WriteString(r.w, b.String())
	}
}

// flush prints what the tests of a package that died in the middle had said.
func (r *report) flush(pkg string) {
	var keys []string
	for k := range r.tests {
		if strings.HasPrefix(k, pkg+" ") {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	for _, k := range keys {
		r.print(k)
		delete(r.tests, k)
	}
}

var logged = regexp.MustCompile(`^\s*[\w./-]+\.go:\d+: `)

// reason is what a skipped test said last, without the place in the source.
func reason(line string) string {
	line = strings.TrimSpace(logged.ReplaceAllString(line, ""))
	line = strings.TrimSpace(strings.TrimPrefix(line, "skipped:"))
	if line == "" {
		return "no reason given"
	}
	return line
}

func (r *report) close() {
	sort.Strings(r.skips)
	if len(r.skips) > 0 {
		fmt.Fprintln(r.w, "skipped:")
		for _, s := range r.skips {
			fmt.Fprintln(r.w, "  "+s)
		}
	}
	fmt.Fprintf(r.w, "tests: %d passed, %d failed, %d skipped\n", r.count.pass, r.count.fail, r.count.skip)
}
