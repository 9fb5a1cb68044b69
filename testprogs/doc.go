// Package testprogs builds the sample programs that yore is tested on, and
// caches what it built.
//
// A program is one file below src (behaviours), go (Go programs with a bug to be
// found) or bench (workloads), in C, C++, Go, Rust or Python; its name is the
// file's name without the suffix, with "go/" or "bench/" before it. Its first
// comment tells what it does and may hold lines that say how to build and run it:
//
//	flags: -pthread        further compiler flags
//	args: 1000 seed        arguments that make a short, complete run
//	stdin: two\nlines\n    standard input for that run (escapes as in Go)
//	exit: 3                status of that run, when it is not 0
//	signal: 6              the signal that ends it
//	output: one\ntwo\n     all of its standard output, where that is fixed
//	needs: pty             what else it needs: pty (its stdio on a terminal),
//	                       kill (it runs until it is ended from outside)
//	watch: total == 7      an expression that gets its final value at the line with
//	                       MARK culprit, or never changes when there is none; the
//	                       program's argument is then a seed
//	back: rs; last total   commands of the prompt that lead from where it fails back
//	                       to the line with MARK culprit; its argument is a seed
//	frame: work            the function whose local variable that is, active at the end
//
// A comment "MARK name" in a program marks the line that a test looks for
// (Line). Programs check themselves: a run that ends otherwise than the header
// says is a failure, of the program or of whatever it ran under.
//
// Programs are compiled with -g -O0 and whatever flags the caller adds; a later
// flag wins. The result lies in testprogs/build under a name made of the
// source, the compiler and the flags, so that a changed source is built anew
// and several test processes may build at once.
//
// The package imports nothing of ours and does not run the programs.
package testprogs
