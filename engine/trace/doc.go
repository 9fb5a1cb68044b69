// Package trace defines the events of a recording and stores recordings on disk.
//
// An event is what the outside world did to the program, or a scheduling
// decision of the recorder. Everything else the program does follows from its
// start state and its events.
//
// # Words
//
//   - event: one entry of the timeline (event.go), with a binary form
//     (encode.go) and a text form (text.go), both lossless.
//   - log: the events in their order, on disk, indexed by number (log.go), read
//     while it is being written as well as later.
//   - frame: the unit in which events are compressed and checksummed; segment: a
//     file of frames (frame.go, segment.go).
//   - recording: a directory of a log and what belongs to it: a description
//     (meta.go), mapped files (files.go), fingerprints (fingerprint.go), images.
//   - store: a directory of recordings (store.go).
//
// # Promises
//
// Memory does not grow with the recording. What Append returned for survives
// the death of yore once it is FlushEvery old, or after Flush. A recording that
// was cut, by kill -9, a full disk or later damage, opens up to its last complete
// frame and says so; bytes are believed only after their checksum. Reading a
// hostile recording does not panic, follows no path out of its directory other
// than those of mapped files kept by reference, and allocates no more than one
// event (MaxEvent) beyond what the files' real content accounts for.
//
// Errors about a recording's bytes are *FormatError or wrap ErrNewer or
// ErrNotRecording; IsBadInput tells them from errors of this machine.
//
// # What it does not do
//
// It does not know what events mean, and checks no more of them than their form.
// It does not read or write a process. It survives the death of programs, not
// that of the machine: only Sync asks the disk.
//
// # Threads
//
// One goroutine appends to a log, any may read it; Files and Recording may be
// used from any goroutine. The package imports nothing of ours. FORMAT.md has
// the layout of the files.
package trace
