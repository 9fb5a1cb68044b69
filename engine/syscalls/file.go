package syscalls

import "fmt"

// filed says whether a call can change a file's content or length, which shows
// in every mapping of that file.
type filed struct {
	kind fileKind
	arg  int8
}

type fileKind uint8

const (
	fNone  fileKind = iota
	fFD             // through the descriptor in arg
	fPath           // of a file given by name
	fTrunc          // of a file given by name, if arg has O_TRUNC
)

func fileAt(arg int) filed  { return filed{fFD, int8(arg)} }
func truncIf(arg int) filed { return filed{fTrunc, int8(arg)} }

var byPath = filed{kind: fPath}

func (f filed) String() string {
	switch f.kind {
	case fFD:
		return fmt.Sprintf("file a%d", f.arg)
	case fPath:
		return "file by name"
	case fTrunc:
		return fmt.Sprintf("file by name if a%d&O_TRUNC", f.arg)
	}
	return ""
}

// ChangesFile reports whether the call can change a file that the program may
// have mapped: what the mappings show then changes too, outside all ranges that
// Outputs gives, in shared mappings and in pages of private ones that the
// program has not written. fd is the descriptor that is written through, -1
// when the file is given by name. A recorder whose debuggee has that file
// mapped must compare those mappings.
func (r *Row) ChangesFile(a Args) (fd int, ok bool) {
	f := r.file
	if o := r.op(a); o != nil && o.file.kind != fNone {
		f = o.file
	}
	switch f.kind {
	case fFD:
		return int(int32(a[f.arg])), true
	case fPath:
		return -1, true
	case fTrunc:
		return -1, a[f.arg]&0o1000 != 0 // O_TRUNC
	}
	return 0, false
}
