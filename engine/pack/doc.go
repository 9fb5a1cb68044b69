// Package pack makes bundles of recordings, and directories of bundles.
//
// # Packing
//
// Pack reads a recording, finds what belongs to it on this machine (mapped files,
// separate debug files, the sources that debug information names) and writes a
// bundle. A recording whose mapped files have changed since cannot be packed: it
// cannot be replayed either.
//
// # Opening
//
// Open unpacks a bundle into a private directory:
//
//	recording/   the recording, all mapped files captured
//	root/        the mapped files under the paths by which they were known
//	debug/       debug files, by build-id
//	source/      sources, under their paths
//	lock         locked while the bundle is open
//
// Close removes the directory. When yore is killed it stays, unlocked, and the next
// Open removes it. Whatever path a bundle names is made relative and cleaned, and
// all files are created through an os.Root of the private directory, in
// which there is no link.
//
// # What it does not do
//
// It starts nothing and does not know gdb; Opened says where things are. It does not
// judge whether this machine can replay the bundle, see Preflight for that.
//
// # Threads
//
// Its functions may be called from any goroutine; an Opened is used by one at a
// time.
package pack
