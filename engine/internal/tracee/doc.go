// Package tracee handles traced processes: it launches them, makes them execute
// system calls for us, reads and writes their memory, and forks them.
//
// Words. A Task is one kernel task that we trace; it is stopped unless the
// caller has resumed it. A Copy is a copy-on-write fork of the program, one task
// whatever number of threads the program has: the threads are data, and the
// task impersonates one at a time (Switch). That is enough for replay, in which
// only one thread runs at a time and no system call is executed. A Lineage
// remembers who was forked from whom and which pages each wrote, so that two
// processes can be compared without reading all their memory.
//
// All functions belong to the OS thread that traces (see package ptrace).
//
// An operation on a task that was killed under us makes the task's error sticky:
// later operations do nothing, and Wait, Run and Inject return the error.
package tracee
