package bundle

import (
	"fmt"
	"regexp"
	"strconv"
)

// Names of entries. N is a decimal number without leading zeros.
const (
	ManifestName = "bundle.json"
	recordingDir = "recording/"
)

// kind is a form of names with what is allowed for its entries.
type kind struct {
	form *regexp.Regexp
	max  int64 // unpacked bytes
}

const (
	maxSmall = 64 << 20  // manifest, description
	maxTable = 4 << 30   // an event segment, an image, a table
	maxLarge = 256 << 30 // pages, a mapped file

	maxEntries   = 100_000
	maxDirectory = 32 << 20 // bytes of the archive's directory

	// An entry may unpack to ratioFree bytes and maxRatio times its packed size.
	ratioFree = 64 << 20
	maxRatio  = 1000
)

var kinds = []kind{
	{regexp.MustCompile(`^bundle\.json$`), maxSmall},
	{regexp.MustCompile(`^recording/meta$`), maxSmall},
	{regexp.MustCompile(`^recording/(sums|files\.tab)$`), maxTable},
	{regexp.MustCompile(`^recording/events/[0-9]{8}\.seg$`), maxTable},
	{regexp.MustCompile(`^recording/images/([1-9][0-9]{0,9}\.img|pages\.sum)$`), maxTable},
	{regexp.MustCompile(`^recording/images/pages$`), maxLarge},
	{regexp.MustCompile(`^recording/files/[1-9][0-9]{0,6}$`), maxLarge},
	{regexp.MustCompile(`^(debug|source)/[1-9][0-9]{0,6}$`), maxLarge},
}

// kindOf returns the kind of a name, nil for a name that no bundle has.
func kindOf(name string) *kind {
	for i := range kinds {
		if kinds[i].form.MatchString(name) {
			return &kinds[i]
		}
	}
	return nil
}

// RecordingEntry is the entry of a file of the recording, by its path in there.
func RecordingEntry(path string) string { return recordingDir + path }

// FileEntry is the entry of mapped file id, DebugEntry and SourceEntry those of the
// n-th debug file and source, counted from 1.
func FileEntry(id uint32) string { return fmt.Sprintf("recording/files/%d", id) }
func DebugEntry(n int) string    { return "debug/" + strconv.Itoa(n) }
func SourceEntry(n int) string   { return "source/" + strconv.Itoa(n) }

// checkSize reports what is wrong with an entry's sizes, packed and unpacked.
func (k *kind) checkSize(packed, size uint64) error {
	switch {
	case size > uint64(k.max):
		return fmt.Errorf("%d bytes, more than there can be", size)
	case size > ratioFree && (size-ratioFree)/maxRatio > packed:
		return fmt.Errorf("%d bytes packed into %d, which nothing real is", size, packed)
	}
	return nil
}
