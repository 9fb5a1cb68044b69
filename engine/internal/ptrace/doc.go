// Package ptrace is the thin layer over ptrace(2), wait4(2), process_vm_readv(2)
// and /proc/PID/mem. It has no policy, keeps no state and imports nothing of
// ours; the names and numbers are those of the kernel's include/uapi/linux/ptrace.h.
//
// ptrace calls must come from the OS thread that attached. The callers of this
// package lock themselves to one (runtime.LockOSThread). Calls that return at
// once use raw system calls; the blocking Wait goes through the Go scheduler,
// which a raw wait4 would starve.
package ptrace
