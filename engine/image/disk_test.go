package image

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// blocks returns what a file takes on the disk, in units of 512 bytes.
func blocks(t *testing.T, f *os.File) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks
}
