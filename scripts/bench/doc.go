// Command bench measures yore against the figures it was asked to reach and
// prints both in one table. `make bench` runs it.
//
// A row is data: what is measured, what the best peer reached, the limits, and
// the measurement, which is a value built by one of the constructors in
// record.go and session.go. Ratios compare runs of the same invocation, taken
// alternately, by their medians; nothing is compared with a figure of another
// machine. Reverse operations are timed in stock gdb, by its machine interface,
// started by `yore gdb`, from the command to the stop: that is how the peers'
// figures were taken.
//
// A row that cannot be measured says why and makes the command end with status 1;
// a row that misses its limit is marked and does not.
package main
