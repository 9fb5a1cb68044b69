package main

// The table. Limits and peers' figures are the project's; the peer is rr with
// software counters unless another is named, under stock gdb.

var (
	w7M   = workload{source: "w7.c", args: []string{"1000000", "42"}}
	w7M50 = workload{source: "w7.c", args: []string{"50000000", "42"}}
)

const (
	back  = "-exec-continue --reverse"
	forth = "-exec-continue"
)

var rows = []row{
	{"record w1, compute", "1.21 ×", []limit{{"", 1.10, times}},
		recording(workload{source: "w1.c"})},
	{"record w3, 20k rounds, native on one core", "29 ×", []limit{{"", 8, times}},
		recording(workload{source: "w3.c", args: []string{"20000"}, pinned: true})},
	{"record w4, CPython", "14.6 ×", []limit{{"", 1.3, times}},
		recording(workload{args: []string{"/usr/bin/python3", "testprogs/bench/w4.py"}})},
	{"record a program that rewrites 100 MB", "–", []limit{{"", 1.15, times}},
		recording(workload{source: "rewrite.c", args: []string{"100"}})},
	{"record a program that rewrites 400 MB", "–", []limit{{"", 1.5, times}},
		recording(workload{source: "rewrite.c", args: []string{"400"}})},

	{"reverse-stepi, warm", "1.7–2.5 ms", []limit{{"median", 1, millis}},
		typical(millis, script{workload: w7M, breaks: []string{"list_insert"}, before: []string{back, "-exec-step-instruction --reverse"},
			op: "-exec-step-instruction --reverse"})},
	{"reverse-step, w7", "6 ms; worst 88 ms", []limit{{"median", 20, millis}, {"worst of 200", 500, millis}},
		operation(millis, script{workload: w7M50, breaks: []string{"-t step"}, before: []string{back}, op: "-exec-step --reverse", want: "end-stepping-range"})},
	{"reverse-next, w7", "19 ms; worst 1137 ms", []limit{{"median", 20, millis}, {"worst of 200", 500, millis}},
		operation(millis, script{workload: w7M50, breaks: []string{"-t step"}, before: []string{back}, op: "-exec-next --reverse", want: "end-stepping-range"})},
	{"reverse-finish, w7 50M operations", "261 ms; worst 60 s", []limit{{"median", 250, millis}, {"worst", 1000, millis}},
		operation(millis, script{workload: w7M50, breaks: []string{"rnd"}, reset: []string{back}, op: "-exec-finish --reverse", want: "end-stepping-range"})},
	{"reverse-continue to a breakpoint, w7 50M", "509 ms", []limit{{"median", 300, millis}},
		typical(millis, script{workload: w7M50, breaks: []string{"list_insert"}, op: back, want: "breakpoint-hit"})},

	{"abort to culprit, w7 1M", "0.61 s", []limit{{"", 0.4, secs}}, culprit("1000000")},
	{"abort to culprit, w7 50M", "11.3 s", []limit{{"", 1.5, secs}}, culprit("50000000")},
	{"abort to culprit, w7 300M", "32 s", []limit{{"", 4, secs}}, culprit("300000000")},

	{"false integer condition", "250 µs a hit; 2.3 ms backward", []limit{{"a hit forward", 1, micros}, {"backward, of forward", 2, times}}, falseCondition},
}
