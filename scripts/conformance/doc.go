// Command conformance records programs that nobody here wrote, and proves that
// their replay is exact. `make conformance` runs it on the whole list, `make
// test` on the quick part of it.
//
// For each program: run it natively; record it; compare exit status and, where
// it does not vary by itself, standard output; `yore verify` the recording; then
// go to random points of it, twice, and compare registers and stack. The table
// says what that took, against native.
//
// Then the full-screen front-end is used on some of them (screens.go), by keys in a
// terminal of tmux's, and the debug adapter (editor.go), by the requests of an editor
// in their usual order (client.go). Bundles are opened where nothing of what they were
// made of is (elsewhere.go).
// Then the samples that say which expression goes wrong where are bisected, and those
// that say which commands lead back followed, each with 20 seeds (culprits.go): the
// marked line must be found.
//
// The list (list.go) is data. A program that the machine lacks is in the table,
// with the reason. The exit status is 1 when a program failed, 0 otherwise.
package main
