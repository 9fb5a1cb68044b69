// Package image stores process images: a program's memory, threads and the rest
// of its state at one point, from which a process can be rebuilt.
//
// # Words
//
//   - image: one point's state. Its file holds everything but the memory's
//     content: regions, threads, and runs that say where the content is.
//   - store: a directory of images and of the pages that they share.
//   - page: 4096 bytes of memory. Pages are kept uncompressed and aligned in one
//     append-only file, each distinct page once, so that an image costs what has
//     changed and a restorer can map runs of pages privately and lazily straight
//     from the file.
//   - run: consecutive pages of memory that are consecutive in that file, or
//     consecutive pages of zeros, which are not stored.
//   - region: a mapping. Memory of a region in no run is what the mapping shows
//     by itself: zeros, or the content of its file.
//
// # Writing
//
// OpenStore, then for each image Store.NewWriter, Add the pages that differ and
// Inherit the others from an earlier image, Close. Memory is streamed: a writer
// holds runs, never pages, beyond a buffer of one MiB. An image exists once
// Close has returned; a writer that dies before leaves at most pages that no
// image uses. After its first failed write (a full disk) a store stays unusable
// for writing; images written before are good.
//
// # Reading
//
// Open checks the image file against its checksum and every field against what
// can be: sorted, aligned, inside the page file. It does not read pages. ReadAt
// and Pages check each page that they read against its checksum, Verify checks all
// pages; a restorer that maps the page file skips that check, so an image that
// comes from elsewhere is to be verified once.
//
// # Threads
//
// A Store's methods may be called from any goroutine. A Writer belongs to one.
// An Image does not change and may be shared.
//
// The package knows nothing of processes and imports nothing of ours. The
// layout of the files is in FORMAT.md.
package image
