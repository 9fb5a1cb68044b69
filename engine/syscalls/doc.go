// Package syscalls is the table of Linux x86-64 system calls: what each one is
// to a recorder. It is data, one Row per number, and pure: it looks at a
// program only through Mem, and writes nothing.
//
// # Words
//
//   - class: what record and replay do with a call (Class).
//   - output: a range of the caller's memory that the kernel may have written.
//     Outputs are over-approximated, never missed: a recorder that logs what
//     those ranges hold after the call, and a replayer that writes it back,
//     are exact as long as every byte the kernel wrote is inside them. Bytes
//     that it did not write are harmless: they are what the program had there.
//   - known: whether the table knows a call's outputs. When it does not, the
//     recorder must compare all writable memory before and after. That has to
//     be decided at entry, by Known; Outputs then never says otherwise.
//   - answer: a result given to the program without the kernel seeing the
//     call: a refusal, or a harmless pretence (Answer).
//   - declared: what the caller's arguments allow the kernel to write, when
//     the result does not narrow it. After EFAULT outputs are as declared,
//     since the kernel may have copied a part before it met the bad page.
//
// # What it does not do
//
// It makes no system call and keeps no state: that a thread's clear_child_tid
// or robust list is written at its death, that an ioctl made a mapping, or what
// kind of file a descriptor is, the recorder must know (RobustWords helps).
// Ranges may reach into memory that cannot be read, when the program passed
// such pointers: readers clip. An output that lies in a mapping shared with
// another mapping shows there too, and a call that changes a file shows in all
// mappings of it (ChangesFile). Not covered: bytes beyond the result that the
// kernel copied and then disowned (a datagram with a bad checksum, replaced by
// a shorter one; a pipe read that met an unmapped page after its first buffer).
//
// All functions may be called from any thread, if Mem may.
package syscalls
