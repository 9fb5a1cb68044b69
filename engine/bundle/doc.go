// Package bundle reads and writes bundles: a recording in one file, with the
// binaries, sources and notes that a bug report needs to open elsewhere.
//
// # Words
//
//   - bundle: a zip archive with zstd inside (method 93), closed by a trailer
//     that has the checksum of the whole file (trailer.go).
//   - entry: a file of the archive. Its name is one of a few fixed forms, made of
//     words and numbers (names.go); nobody else's path is ever an entry's name.
//   - manifest: the first entry, bundle.json (manifest.go): what there is, under
//     which paths it was known, and what the person was doing.
//   - part: a binary, debug file or source that an entry holds.
//
// # Promises
//
// Open believes nothing: it checks the trailer and the checksum of all bytes, and
// bounds number, sizes and compression ratios of the entries before anything is
// unpacked. It refuses names that this package does not write, two entries of one
// name, and anything but plain files. An entry is read through its own checksum and never
// yields more than its declared size. Reading a hostile bundle does not panic and
// needs memory in proportion to the list of its entries, which is bounded.
//
// Errors about a bundle's bytes are *FormatError; IsBadInput tells them from
// errors of this machine. A Writer leaves no file behind unless Close succeeded.
//
// # What it does not do
//
// It does not know recordings or processes, writes no file but the bundle, and
// follows no path of the manifest. The checksum is against damage, not against
// forgers: what a bundle holds is to be treated as hostile all the same.
//
// # Threads
//
// A Writer belongs to one goroutine. A Reader may be used from any, each entry by
// one at a time. FORMAT.md has the layout and a worked example.
package bundle
