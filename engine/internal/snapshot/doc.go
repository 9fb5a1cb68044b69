// Package snapshot turns frozen copies of the program into images on disk, and
// images into processes.
//
// # Saving
//
// A Saver writes the images of one recording. Take, on the tracing thread,
// notes what only that thread can know of a frozen copy (registers, threads, which
// pages can differ from those of the image before); Write, on any goroutine, reads
// the copy's memory and stores it while the program goes on. The copy must stay
// frozen until Write has returned, and until the next copy has been forked: as
// long as it lives the kernel tells what the program has written since.
//
// An image costs what has changed. A page is the program's own when it is
// anonymous or was captured in the log; pages of a mapped file are kept by
// reference unless they differ from the file.
//
// # Fingerprints
//
// Sums hashes a copy's own pages, again only those that can have changed. Which
// pages count does not depend on how a process came to hold them, so the recorded
// program, a replay of it and a process built from an image agree.
//
// # Restoring
//
// Restore launches this executable again, stopped before its first instruction,
// unmaps all of it, and maps the image's regions instead: files by reference, large
// runs of pages lazily from the page file, the rest copied. Nothing of the helper
// remains but its process id. The result is one task with the threads as data, as
// everywhere (package tracee).
//
// It does not check pages against their checksums (image.Verify does), nor
// whether this machine has the instructions that the program uses.
package snapshot
