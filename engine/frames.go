package engine

import (
	"fmt"
	"path/filepath"

	"yore/engine/internal/patch"
	"yore/engine/internal/record"
)

// topFrames returns the innermost frames of the program's current thread as text, for
// those who look at a recording without a debugger: what is known without reading debug
// information, and no further up than call frame information or frame pointers lead.
// The program is frozen.
func topFrames(rec *record.Recorder) []string {
	const most = 8
	t := rec.Current()
	if t == nil || t.Err() != nil {
		return nil
	}
	maps, err := rec.Space().Maps()
	if err != nil {
		return nil
	}
	text := patch.NewText(rec.Space(), record.Regions(maps), nil)
	r := t.Regs()
	x := patch.Registers{r.Rax, r.Rdx, r.Rcx, r.Rbx, r.Rsi, r.Rdi, r.Rbp, r.Rsp,
		r.R8, r.R9, r.R10, r.R11, r.R12, r.R13, r.R14, r.R15, r.Rip}
	var out []string
	for len(out) < most {
		first := len(out) == 0
		out = append(out, frameText(text, x[16], first))
		if !text.Caller(&x, first) {
			break
		}
	}
	return out
}

// frameText describes a frame at pc: for a caller the call before it.
func frameText(text *patch.Text, pc uint64, first bool) string {
	at := pc
	if !first {
		at--
	}
	name, off, file := text.Symbol(at)
	s := fmt.Sprintf("%#x", pc)
	if name != "" {
		s += fmt.Sprintf(" in %s+%#x", name, off+pc-at)
	}
	if file != "" {
		s += fmt.Sprintf(" (%s)", filepath.Base(file))
	}
	return s
}
