package replay

import (
	"testing"

	"golang.org/x/sys/unix"

	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

// No event of a log, which can come from anybody, reaches the pages in which the
// engine makes system calls.
func TestGuard(t *testing.T) {
	r := &Runner{Copy: &tracee.Copy{Brk: 0x6ffff000}}
	const page = tracee.PageSize
	call := func(nr int32, ret int64, args ...uint64) trace.Event {
		e := trace.Event{Kind: trace.Syscall, NR: nr, Ret: ret}
		copy(e.Args[:], args)
		return e
	}
	for name, e := range map[string]trace.Event{
		"write":                   {Kind: trace.Signal, Writes: []trace.Write{{Addr: tracee.EngineCode, Data: []byte{1}}}},
		"write from below":        {Kind: trace.Syscall, Writes: []trace.Write{{Addr: tracee.EngineCode - 1, Data: []byte{1, 2}}}},
		"write at the end of all": {Kind: trace.Syscall, Writes: []trace.Write{{Addr: ^uint64(0), Data: []byte{1, 2}}}},
		"mapping":                 {Kind: trace.Syscall, NR: unix.SYS_MMAP, Maps: []trace.Map{{Addr: tracee.EngineCode - page, Len: 2 * page}}},
		"mapping of everything":   {Kind: trace.Stubs, Maps: []trace.Map{{Addr: 0, Len: 1 << 47}}},
		"munmap":                  call(unix.SYS_MUNMAP, 0, tracee.EngineData, page),
		"munmap of a byte":        call(unix.SYS_MUNMAP, 0, tracee.EngineCode-page, page+1),
		"mprotect":                call(unix.SYS_MPROTECT, 0, tracee.EngineCode, page, 7),
		"mprotect up to there":    call(unix.SYS_MPROTECT, -int64(unix.ENOMEM), tracee.EngineCode, 1<<40, 7),
		"madvise":                 call(unix.SYS_MADVISE, 0, tracee.EngineCode, page, unix.MADV_DONTNEED),
		"mremap from":             call(unix.SYS_MREMAP, 0x10000, tracee.EngineCode, page, page),
		"mremap to":               call(unix.SYS_MREMAP, tracee.EngineCode, 0x10000, page, page),
		"brk":                     call(unix.SYS_BRK, tracee.EngineEnd),
	} {
		if err := r.guard(&e); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
	for name, e := range map[string]trace.Event{
		"write beside":     {Kind: trace.Syscall, Writes: []trace.Write{{Addr: tracee.EngineEnd, Data: []byte{1}}}},
		"failed munmap":    call(unix.SYS_MUNMAP, -int64(unix.EINVAL), tracee.EngineCode+1, page),
		"munmap below":     call(unix.SYS_MUNMAP, 0, tracee.EngineCode-page, page),
		"brk below":        call(unix.SYS_BRK, 0x6ffff800),
		"read at anything": call(unix.SYS_READ, 3, tracee.EngineCode, tracee.EngineCode),
	} {
		if err := r.guard(&e); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	stub := Stub{Addr: 1, Limit: tracee.EngineCode}
	if _, err := Decode(Encode([]Stub{stub})); err == nil {
		t.Error("a stub that counts in the engine's page is not refused")
	}
}
