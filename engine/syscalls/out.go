package syscalls

import (
	"fmt"
	"strings"
	"syscall"
)

// An out describes one output of a call: the argument that points to it, how
// its length follows, and with which results it is written.
type out struct {
	arg  int8 // index of the argument that is the pointer
	kind kind
	by   int8   // index of the argument that the length comes from
	n    uint64 // unit or constant of the length
	when when
	in   bool       // the kernel reads it too
	may  bool       // a successful call does not always write it
	with int8       // 1 + the argument that must not be NULL, 0 for none
	fn   func(*ctx) // for kFunc
	desc string     // for kFunc: what fn declares
}

type kind uint8

const (
	kFixed kind = iota // n bytes
	kRet               // ret*n bytes, at most by*n
	kArg               // by*n bytes
	kLen32             // as many bytes as the u32 that by points to says, at most n
	kBits              // a bit set of by bits, in 64-bit words
	kPages             // a byte for each page of by bytes
	kIov               // ret bytes over by iovecs
	kMsg               // a msghdr and what it points to, ret bytes of data
	kStr               // a NUL-terminated string of at most n bytes
	kPoll              // by pollfds, of which only revents are written
	kFunc              // whatever fn adds
)

type when uint8

const (
	onOK   when = iota // written when the call succeeds, and in part on EFAULT
	always             // also when it fails
	onIntr             // only when a signal interrupts it
	onSome             // when the result is positive
)

// Limits on what a caller can make us walk or declare.
const (
	maxRW   = 0x7ffff000 // MAX_RW_COUNT of the kernel
	maxIov  = 1024       // UIO_MAXIOV
	maxMsgs = 1024       // UIO_MAXIOV bounds recvmmsg too
	maxPoll = 1 << 20    // the largest limit on open files (fs.nr_open)

	sockaddrMax = 128 // sizeof(struct sockaddr_storage)
)

// Constructors, to keep the table readable. ptr is the pointer's argument.

func fix(ptr int, n uint64) out { return out{arg: int8(ptr), kind: kFixed, n: n} }
func ret(ptr, bound int) out    { return retn(ptr, bound, 1) }
func retn(ptr, bound int, n uint64) out {
	return out{arg: int8(ptr), kind: kRet, by: int8(bound), n: n}
}
func argn(ptr, by int, n uint64) out   { return out{arg: int8(ptr), kind: kArg, by: int8(by), n: n} }
func len32(ptr, by int) out            { return out{arg: int8(ptr), kind: kLen32, by: int8(by), n: maxRW} }
func addr(ptr, by int) out             { return out{arg: int8(ptr), kind: kLen32, by: int8(by), n: sockaddrMax} }
func bits(ptr, by int) out             { return out{arg: int8(ptr), kind: kBits, by: int8(by)} }
func iov(ptr, cnt int) out             { return out{arg: int8(ptr), kind: kIov, by: int8(cnt)} }
func str(ptr int, n uint64) out        { return out{arg: int8(ptr), kind: kStr, n: n} }
func fn(desc string, f func(*ctx)) out { return out{kind: kFunc, fn: f, desc: desc} }

func (o out) always() out { o.when = always; return o }
func (o out) onIntr() out { o.when = onIntr; return o }
func (o out) onSome() out { o.when = onSome; return o }
func (o out) inout() out  { o.in = true; return o }
func (o out) maybe() out  { o.may = true; return o }

// ifArg: the output is written only if argument i is not NULL.
func (o out) ifArg(i int) out { o.with = int8(i) + 1; return o }

var whenNames = [...]string{"", " always", " if interrupted", " if ret>0"}

func outs(o ...out) []out { return o }

// String is the output's form in the golden table.
func (o out) String() string {
	var s string
	switch o.kind {
	case kFixed:
		s = fmt.Sprint(o.n)
	case kRet:
		s = "ret" + times(o.n) + fmt.Sprintf("<=a%d", o.by) + times(o.n)
	case kArg:
		s = fmt.Sprintf("a%d", o.by) + times(o.n)
	case kLen32:
		s = fmt.Sprintf("*a%d", o.by)
	case kBits:
		s = fmt.Sprintf("bits(a%d)", o.by)
	case kPages:
		s = fmt.Sprintf("pages(a%d)", o.by)
	case kIov:
		s = fmt.Sprintf("ret over a%d iovecs", o.by)
	case kMsg:
		s = "msghdr"
	case kStr:
		s = fmt.Sprintf("string<=%d", o.n)
	case kFunc:
		return o.desc + whenNames[o.when]
	case kPoll:
		s = fmt.Sprintf("revents of a%d pollfds", o.by)
	}
	if o.in {
		s = "in/out " + s
	}
	s = fmt.Sprintf("a%d[%s]", o.arg, s) + whenNames[o.when]
	if o.may {
		s += " maybe"
	}
	if o.with > 0 {
		s += fmt.Sprintf(" with a%d", o.with-1)
	}
	return s
}

func times(n uint64) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf("*%d", n)
}

func describe(os []out) string {
	var p []string
	for _, o := range os {
		p = append(p, o.String())
	}
	return strings.Join(p, ", ")
}

// ctx is one evaluation of a row's outputs.
type ctx struct {
	a        Args
	ret      int64
	m        Mem
	declared bool // ret is not known or says nothing: the largest outputs
	precise  bool // single fields rather than the structure around them
	soft     bool // what is added may not all have been written
	in       bool // what is added is read by the kernel too
	unknown  bool // set by a kFunc that cannot tell

	out []piece
	// What the kernel takes its instructions from at entry, and where in those
	// structures the pointers are. Only gathered when walk is set.
	walk    bool
	reads   []Range // not written by the call
	structs []Range // some fields may be
	ptrs    []uint64
}

// A piece is one output: exactly what the kernel wrote, unless it is soft.
type piece struct {
	Range
	soft, in bool
}

// interrupted reports whether ret is EINTR or one of the kernel's restart codes.
func interrupted(ret int64) bool {
	return ret == -int64(syscall.EINTR) || ret <= -512 && ret >= -516
}

func (o *out) eval(c *ctx) {
	declared := c.declared
	if o.with > 0 && c.a[o.with-1] == 0 {
		return
	}
	// What is written on errors too must be comparable: see Redirection.
	c.in, c.soft = o.in || o.when == always, o.may
	if !declared {
		switch o.when {
		case onOK:
			if c.ret < 0 && c.ret != -int64(syscall.EFAULT) {
				return
			}
		case onSome:
			if c.ret <= 0 && c.ret != -int64(syscall.EFAULT) {
				return
			}
		case onIntr:
			if !interrupted(c.ret) {
				return
			}
		}
		if c.ret < 0 {
			c.declared, c.soft = true, c.soft || o.when != onIntr
			defer func() { c.declared = false }()
		}
	}
	p := c.a[o.arg]
	switch o.kind {
	case kFixed:
		c.add(p, o.n)
	case kRet:
		n := mul(c.a[o.by], o.n)
		if !c.declared {
			n = min(n, mul(uint64(c.ret), o.n))
		}
		c.add(p, n)
	case kArg:
		c.add(p, mul(c.a[o.by], o.n))
	case kLen32:
		// The kernel has replaced the length by what it wanted to write.
		if n, ok := c.u32(c.a[o.by]); ok && p != 0 && int32(n) > 0 {
			c.add(p, min(uint64(n), o.n))
		}
	case kBits:
		if n := int32(c.a[o.by]); n > 0 {
			c.add(p, (uint64(n)+63)/64*8)
		}
	case kPages:
		c.add(p, c.a[o.by]/4096+1)
	case kIov:
		c.iov(p, c.a[o.by], c.left())
	case kMsg:
		c.msg(p, c.left())
	case kStr:
		c.add(p, c.strlen(p, o.n))
	case kPoll:
		c.poll(p, c.a[o.by])
	case kFunc:
		o.fn(c)
	}
}

// left is how many bytes of data a scattering call may have written.
func (c *ctx) left() uint64 {
	if c.declared {
		return maxRW
	}
	return uint64(c.ret)
}

func (c *ctx) add(addr, n uint64) {
	n = min(n, maxRW)
	if addr == 0 || n == 0 {
		return
	}
	if addr+n < addr {
		n = -addr
	}
	c.out = append(c.out, piece{Range{addr, n}, c.soft, c.in})
}

// addSoft adds what may have been written, in part or not at all.
func (c *ctx) addSoft(addr, n uint64) {
	was := c.soft
	c.soft = true
	c.add(addr, n)
	c.soft = was
}

// read fills p from memory; a structure that cannot be read whole gives false.
func (c *ctx) read(addr uint64, p []byte) bool {
	if addr == 0 {
		return false
	}
	n, _ := c.m.Read(addr, p)
	return n == len(p)
}

// consult is read, noting that the kernel takes its instructions from there.
func (c *ctx) consult(addr uint64, p []byte) bool {
	if c.walk {
		c.reads = append(c.reads, Range{addr, uint64(len(p))})
	}
	return c.read(addr, p)
}

func (c *ctx) u32(addr uint64) (uint32, bool) {
	var b [4]byte
	ok := c.read(addr, b[:])
	return le.Uint32(b[:]), ok
}

func (c *ctx) u64(addr uint64) (uint64, bool) {
	var b [8]byte
	ok := c.read(addr, b[:])
	return le.Uint64(b[:]), ok
}

// strlen returns the length of the string at addr with its NUL, at most n.
func (c *ctx) strlen(addr, n uint64) uint64 {
	b := make([]byte, n)
	k, _ := c.m.Read(addr, b)
	for i, ch := range b[:max(k, 0)] {
		if ch == 0 && !c.declared {
			return uint64(i) + 1
		}
	}
	return n
}

// iov adds the buffers of cnt iovecs at p, left bytes of them in all, and
// returns what is left of left.
func (c *ctx) iov(p, cnt, left uint64) uint64 {
	if cnt == 0 || cnt > maxIov || left == 0 {
		return left
	}
	b := make([]byte, 16*cnt)
	if !c.consult(p, b) {
		return left
	}
	for ; len(b) > 0 && left > 0; b, p = b[16:], p+16 {
		if c.walk {
			c.ptrs = append(c.ptrs, p)
		}
		n := min(le.Uint64(b[8:]), left)
		c.add(le.Uint64(b), n)
		left -= n
	}
	return left
}

// Layout of struct user_msghdr (include/linux/socket.h).
const (
	msgName       = 0
	msgNameLen    = 8
	msgIov        = 16
	msgIovLen     = 24
	msgControl    = 32
	msgControlLen = 40
	msgFlags      = 48
	msgSize       = 56
)

// msg adds what recvmsg writes through the msghdr at p, left bytes of data.
// The lengths in it are what the kernel left there: what it wrote of the
// control data, and the name's full length, which bounds what it wrote of it.
func (c *ctx) msg(p, left uint64) {
	var h [msgSize]byte
	if !c.read(p, h[:]) {
		return
	}
	if c.walk { // the pointers; the lengths and flags are outputs themselves
		c.reads = append(c.reads, Range{p + msgName, 8}, Range{p + msgIov, 16}, Range{p + msgControl, 8})
		c.structs = append(c.structs, Range{p, msgSize})
		c.ptrs = append(c.ptrs, p+msgName, p+msgIov, p+msgControl)
	}
	name, control := le.Uint64(h[msgName:]), le.Uint64(h[msgControl:])
	if name != 0 {
		c.add(p+msgNameLen, 4)
	}
	c.add(p+msgControlLen, 8)
	c.add(p+msgFlags, 4)
	if n := int32(le.Uint32(h[msgNameLen:])); n > 0 {
		c.add(name, min(uint64(n), sockaddrMax))
	}
	c.addSoft(control, le.Uint64(h[msgControlLen:])) // has gaps between messages
	c.iov(le.Uint64(h[msgIov:]), le.Uint64(h[msgIovLen:]), left)
}

// poll adds the revents of n struct pollfd.
func (c *ctx) poll(p, n uint64) {
	if !c.precise {
		c.add(p, mul(n, 8))
		return
	}
	for i := range min(n, maxPoll) {
		c.add(p+8*i+6, 2)
	}
}

// mul multiplies, saturating.
func mul(a, n uint64) uint64 {
	if n != 0 && a > maxRW/n {
		return maxRW
	}
	return a * n
}
