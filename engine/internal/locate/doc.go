// Package locate finds and reaches exact points inside slices.
//
// Words. A base is a frozen runner at a known point of a slice. A Coord names
// another point of the slice by the count of executions of the instruction at
// its pc since the base. A probe is a breakpoint of a search.
//
// What it does: Find (state → coordinate), Seek (coordinate → runner),
// Predecessor, EndOf, Order inside one slice; Search (last hit before an end) and
// Run (first hit) across events.
//
// All functions belong to the OS thread that traces. Bases and targets stay as
// they are; everything runs in forks of them.
package locate
