package main

// The table. Limits and peers' figures are the project's; the peer is rr with
// software counters unless another is named, under stock gdb. "From the abort"
// means: the session is open and has just come there.

var (
	w1    = workload{program: "bench/w1"}
	w3    = workload{program: "bench/w3", args: []string{"20000"}, pinned: true}
	w4    = workload{command: []string{"/usr/bin/python3", "testprogs/bench/w4.py"}}
	w5    = workload{program: "bench/w5"}
	w7M   = workload{program: "bench/w7", args: []string{"1000000", "42"}}
	w7M50 = workload{program: "bench/w7", args: []string{"50000000", "42"}}
	rw100 = workload{program: "bench/rewrite", args: []string{"100", "400"}}
	rw400 = workload{program: "bench/rewrite", args: []string{"400", "100"}}
)

const (
	back  = "-exec-continue --reverse"
	forth = "-exec-continue"
)

var rows = []row{
	{"live: w1, compute", "1.21 ×", []limit{{"", 1.10, times}}, live(w1)},
	{"live: w3, 20k rounds, native on one core", "29 ×", []limit{{"", 8, times}}, live(w3)},
	{"live: w4, CPython", "14.6 ×", []limit{{"", 1.3, times}}, live(w4)},
	{"live: a program that rewrites 100 MB", "–", []limit{{"", 1.15, times}}, live(rw100)},
	{"live: a program that rewrites 400 MB", "–", []limit{{"", 1.5, times}}, live(rw400)},
	{"yore record: w1", "1.21 ×", []limit{{"", 1.10, times}}, recording(w1)},
	{"yore record: w3", "29 ×", []limit{{"", 8, times}}, recording(w3)},
	{"yore record: w4", "14.6 ×", []limit{{"", 1.2, times}}, recording(w4)},
	{"yore record: w5, Go", "19.2 ×", []limit{{"", 2, times}}, recording(w5)},

	{"checkpoint of 100 MB, 1 thread", "CRIU ≈ 80 ms", []limit{{"", 5, millis}}, checkpoints("100", "1")},
	{"checkpoint of 100 MB, 8 threads", "CRIU ≈ 80 ms", []limit{{"", 5, millis}}, checkpoints("100", "8")},

	{"reverse-stepi, warm", "1.7–2.5 ms", []limit{{"median", 1, millis}},
		typical(millis, script{workload: w7M, breaks: []string{"list_insert"}, before: []string{back, "-exec-step-instruction --reverse"},
			op: "-exec-step-instruction --reverse"})},
	{"reverse-stepi, cold", "crash", []limit{{"median", 1, secs}, {"worst of 200", 2.5, secs}}, coldSteps},
	{"reverse-step, w7", "6 ms; worst 88 ms", []limit{{"median", 20, millis}, {"worst of 200", 500, millis}},
		operation(millis, script{workload: w7M50, breaks: []string{"-t step"}, before: []string{back}, op: "-exec-step --reverse", want: "end-stepping-range"})},
	{"reverse-next, w7", "19 ms; worst 1137 ms", []limit{{"median", 20, millis}, {"worst of 200", 500, millis}},
		operation(millis, script{workload: w7M50, breaks: []string{"-t step"}, before: []string{back}, op: "-exec-next --reverse", want: "end-stepping-range"})},
	{"reverse-finish, w7 50M operations", "261 ms; worst 60 s", []limit{{"median", 250, millis}, {"worst of 200", 1000, millis}},
		operation(millis, script{workload: w7M50, breaks: []string{"list_insert"}, reset: []string{back}, op: "-exec-finish --reverse"})},
	{"reverse-continue to a breakpoint, w7 50M", "509 ms", []limit{{"median", 300, millis}},
		typical(millis, script{workload: w7M50, breaks: []string{"list_insert"}, op: back, want: "breakpoint-hit"})},

	{"watch + reverse-continue, abort to culprit, w7 1M", "0.61 s", []limit{{"", 0.4, secs}}, culprit("1000000")},
	{"watch + reverse-continue, abort to culprit, w7 50M", "11.3 s", []limit{{"", 1.5, secs}}, culprit("50000000")},
	{"watch + reverse-continue, abort to culprit, w7 300M", "32 s", []limit{{"", 4, secs}}, culprit("300000000")},
	{"reverse-watch list_len(head) <= 10, w7 1M", "–", []limit{{"", 1, secs}}, invariant("1000000")},
	{"reverse-watch list_len(head) <= 10, w7 50M", "–", []limit{{"", 3, secs}}, invariant("50000000")},
	{"reverse-watch list_len(head) <= 10, w7 300M", "–", []limit{{"", 10, secs}}, invariant("300000000")},

	{"false integer condition", "250 µs a hit; 2.3 ms backward", []limit{{"a hit forward", 1, micros}, {"backward, of forward", 2, times}}, falseCondition},
}
