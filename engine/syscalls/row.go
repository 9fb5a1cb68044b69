package syscalls

import (
	"encoding/binary"
	"fmt"
	"strings"
	"syscall"
)

// Class is what record and replay do with a system call.
type Class uint8

const (
	// Emulated: executed when recording; replay gets the logged result and
	// output bytes.
	Emulated Class = iota
	// Mapped: changes the address space; executed when recording and replaying.
	Mapped
	// Refused: never executed; the program gets -Errno, for the reason in Why.
	Refused
	// Special: has a meaning of its own to the recorder (threads, exec, exit,
	// signal return, segment bases). Outputs, where it has any, are known.
	Special
	// Compared: executed when recording, outputs found by comparing memory.
	Compared
)

func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return fmt.Sprintf("class %d", uint8(c))
}

var classNames = [...]string{"emulated", "mapped", "refused", "special", "compared"}

// Range is Len bytes of the program's memory at Addr.
type Range struct{ Addr, Len uint64 }

// Mem reads the program's memory. It returns how many bytes from addr on could
// be read; fewer than len(p) is not necessarily an error.
type Mem interface {
	Read(addr uint64, p []byte) (int, error)
}

// Args are a system call's arguments as the program passed them: rdi, rsi,
// rdx, r10, r8, r9 at entry.
type Args = [6]uint64

// Row describes one system call.
type Row struct {
	Nr    int
	Name  string
	Class Class
	Errno syscall.Errno // for Refused
	Why   string        // the reason, for Refused; else a remark or empty

	sig  string // kinds of the arguments, for Format
	outs []out
	wait wait
	file filed
	// inPlace: the kernel must see the program's own addresses.
	inPlace bool

	sub *sub // calls whose meaning depends on an operation argument
}

// byNr has a row for each number up to the highest one, nil in the gaps.
var byNr = func() []*Row {
	top := 0
	for i := range table {
		top = max(top, table[i].Nr)
	}
	t := make([]*Row, top+1)
	for i := range table {
		r := &table[i]
		if t[r.Nr] != nil {
			panic("syscalls: two rows for " + r.Name)
		}
		t[r.Nr] = r
	}
	return t
}()

// kinds are the kinds of the arguments, in order.
func (r *Row) kinds() []string { return strings.Fields(r.sig) }

// Lookup returns the row of system call nr. It is never nil: a number that the
// table does not have gives a Compared row that may block.
func Lookup(nr int64) *Row {
	if nr >= 0 && nr < int64(len(byNr)) && byNr[nr] != nil {
		return byNr[nr]
	}
	return &Row{Nr: int(nr), Name: fmt.Sprintf("syscall_%d", nr), Class: Compared,
		Why: "not in the table", sig: "x x x x x x", wait: waits}
}

// op returns the operation that a selects, nil for rows without operations and
// for an operation the table does not know.
func (r *Row) op(a Args) *op {
	if r.sub == nil {
		return nil
	}
	return r.sub.find(a)
}

// Known says, at a call's entry, whether Outputs will know all outputs of the
// call. When it returns false the recorder must be ready to compare memory
// before and after the call. It is false for Compared rows, for operations
// that the table does not know, and when an output would overwrite a structure
// that says where the outputs are.
func (r *Row) Known(a Args, m Mem) bool {
	if r.Class == Compared {
		return false
	}
	if _, _, ok := r.Answer(a); ok {
		return true
	}
	c := ctx{a: a, m: m, declared: true, walk: true}
	return r.eval(&c) && !c.overwritten()
}

// maxPieces bounds the outputs of a call that the table vouches for. Only a
// recvmmsg of a thousand messages with hundreds of buffers each has more.
const maxPieces = 1 << 16

// overwritten reports whether an output lies on a structure that says where
// outputs are, or whether there are too many to tell.
func (c *ctx) overwritten() bool {
	if len(c.out) > maxPieces {
		return true
	}
	for _, s := range c.reads {
		for _, o := range c.out {
			if s.Addr < o.Addr+o.Len && o.Addr < s.Addr+s.Len {
				return true
			}
		}
	}
	return false
}

// Outputs returns every range that the kernel may have written, given the
// arguments at entry and the result: ret is what the kernel left in rax, a
// negative errno included, also the restart codes that only a tracer sees
// (-512 to -516). It is called when the call is over, with memory as the kernel
// left it. known is false when the table cannot tell; then out is nil.
func (r *Row) Outputs(a Args, ret int64, m Mem) (out []Range, known bool) {
	if r.Class == Compared {
		return nil, false
	}
	if _, _, ok := r.Answer(a); ok {
		return nil, true
	}
	c := ctx{a: a, ret: ret, m: m}
	if !r.eval(&c) {
		return nil, false
	}
	return c.ranges(), true
}

func (c *ctx) ranges() []Range {
	if len(c.out) == 0 {
		return nil
	}
	rs := make([]Range, len(c.out))
	for i, p := range c.out {
		rs[i] = p.Range
	}
	return rs
}

// OutputBuffers returns, at entry, what the kernel may write while the call is
// in progress: the largest outputs that the arguments declare. It is nil for a
// call that does not block, that writes nothing, whose outputs are not known,
// or whose memory must stay where it is: futexes, whose address is what they
// are known by, and vmsplice, which may keep the caller's pages. Redirect does
// more than this: it follows the structures.
func (r *Row) OutputBuffers(a Args, m Mem) []Range {
	if r.Class != Emulated || r.inPlace || !r.MayBlock(a, m) {
		return nil
	}
	return r.declared(a, m)
}

// declared returns the largest outputs that the arguments allow.
func (r *Row) declared(a Args, m Mem) []Range {
	c := ctx{a: a, m: m, declared: true}
	if r.Class == Compared || !r.eval(&c) {
		return nil
	}
	return c.ranges()
}

// EnterOutputs returns what the kernel may already have written when the call
// blocks and another thread runs: to be logged with the call's entry, beside
// what Outputs says at its end. Only priority-inheritance futexes do that: the
// kernel marks the word as contended before it waits.
func (r *Row) EnterOutputs(a Args, m Mem) []Range {
	if o := r.op(a); o != nil && o.early && a[0] != 0 {
		return []Range{{a[0], 4}}
	}
	return nil
}

// Answer returns the result that the program is to get without the kernel
// seeing the call, and why; ok is false when the call is to be executed. ret is
// a negative errno for a refusal and 0 for a pretence. It covers all calls of
// Refused rows and single operations of others.
func (r *Row) Answer(a Args) (ret int64, why string, ok bool) {
	if r.Class == Refused {
		return -int64(r.Errno), r.Why, true
	}
	o := r.op(a)
	if o == nil || o.give == nil {
		return 0, "", false
	}
	if o.give.when != nil && !o.give.when(a) {
		return 0, "", false
	}
	return o.give.ret, o.give.why, true
}

func (r *Row) eval(c *ctx) bool {
	for i := range r.outs {
		r.outs[i].eval(c)
	}
	if r.sub != nil {
		o := r.sub.find(c.a)
		switch {
		case o == nil && r.sub.strict:
			return false
		case o != nil && o.compare:
			return false
		case o != nil:
			for i := range o.outs {
				o.outs[i].eval(c)
			}
		}
	}
	return !c.unknown
}

// le reads little-endian integers out of a structure.
var le = binary.LittleEndian
