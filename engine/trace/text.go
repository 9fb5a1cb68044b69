package trace

// The text form of one event: a line of its kind and of key=value fields, zero
// fields left out. It says exactly what the binary form says, so tests and
// tools can write events by hand and read them back.
//
//	syscall tid=1 nr=1 ret=3 args=0x1,0x4020,0x3,0,0,0 pc=0x401020 sp=0x7ffe10 time=52 out="hi\n"
//
// Data is a Go string in double quotes when it is mostly printable, otherwise
// chunks joined by +, each hex digits or 0*N for N zero bytes; "-" is empty.
// Repeated keys: write and map.

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

var kindNames = [...]string{
	Start: "start", Syscall: "syscall", Enter: "enter", Leave: "leave", Signal: "signal",
	Fault: "fault", Insn: "insn", Clone: "clone", Exit: "exit", Exec: "exec",
	Preempt: "preempt", Stubs: "stubs", Cut: "cut", Poke: "poke", End: "end",
}

// String returns the kind's name in the text form.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("kind%d", uint8(k))
}

var regNames = [27]string{
	"r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx",
	"rdx", "rsi", "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base",
	"gs_base", "ds", "es", "fs", "gs",
}

const (
	minZeroRun = 16
	// maxZeros bounds the bytes that the 0*N chunks of one event stand for, so
	// that a short line cannot ask for much memory.
	maxZeros = 64 << 20
)

// FormatEvent returns e's text form, without a line end.
func FormatEvent(e *Event) string {
	t := textWriter{zeros: maxZeros}
	t.WriteString(e.Kind.String())
	t.num("tid", int64(e.TID))
	t.num("nr", int64(e.NR))
	t.num("ret", e.Ret)
	if e.Args != [6]uint64{} {
		t.key("args")
		for i, a := range e.Args {
			if i > 0 {
				t.WriteByte(',')
			}
			t.addr(a)
		}
	}
	t.hex("pc", e.PC)
	t.hex("sp", e.SP)
	t.num("time", e.Time)
	for i := range e.Writes {
		t.key("write")
		t.addr(e.Writes[i].Addr)
		t.WriteByte(':')
		t.data(e.Writes[i].Data)
	}
	t.regs("regs", e.Regs)
	t.bytes("xstate", e.XState)
	for _, m := range e.Maps {
		t.key("map")
		how := "private"
		if m.Shared {
			how = "shared"
		}
		fmt.Fprintf(&t, "%#x+%#x,%d,%s,%d@%#x", m.Addr, m.Len, m.Prot, how, m.File, m.Off)
		if m.Object != 0 {
			fmt.Fprintf(&t, ",object %d", m.Object)
		}
	}
	t.num("sig", int64(e.Sig))
	t.bytes("info", e.Info)
	t.num("child", int64(e.Child))
	t.regs("childregs", e.ChildRegs)
	t.num("stub", int64(e.Stub))
	if e.Count != 0 {
		t.key("count")
		t.WriteString(strconv.FormatUint(e.Count, 10))
	}
	t.bytes("out", e.Out)
	return t.String()
}

type textWriter struct {
	strings.Builder
	zeros int // left to be written as 0*N
}

func (t *textWriter) key(k string) {
	t.WriteByte(' ')
	t.WriteString(k)
	t.WriteByte('=')
}

func (t *textWriter) num(k string, v int64) {
	if v != 0 {
		t.key(k)
		t.WriteString(strconv.FormatInt(v, 10))
	}
}

func (t *textWriter) addr(v uint64) {
	if v != 0 {
		t.WriteString("0x")
	}
	t.WriteString(strconv.FormatUint(v, 16))
}

func (t *textWriter) hex(k string, v uint64) {
	if v != 0 {
		t.key(k)
		t.addr(v)
	}
}

func (t *textWriter) regs(k string, r *unix.PtraceRegs) {
	if r == nil {
		return
	}
	t.key(k)
	any := false
	for i, p := range regFields(r) {
		if *p == 0 {
			continue
		}
		if any {
			t.WriteByte(',')
		}
		any = true
		t.WriteString(regNames[i])
		t.WriteByte(':')
		t.addr(*p)
	}
	if !any {
		t.WriteByte('-')
	}
}

func (t *textWriter) bytes(k string, b []byte) {
	if len(b) > 0 {
		t.key(k)
		t.data(b)
	}
}

func (t *textWriter) data(b []byte) {
	if len(b) == 0 {
		t.WriteByte('-')
		return
	}
	printable := 0
	for _, c := range b {
		if c >= ' ' && c < 0x7f || c == '\n' || c == '\t' || c == '\r' {
			printable++
		}
	}
	if printable*4 >= len(b)*3 {
		t.WriteString(strconv.QuoteToASCII(string(b)))
		return
	}
	// Split at zero runs, as far as the budget goes.
	plain := 0
	sep := ""
	emit := func(end int) {
		if end > plain {
			t.WriteString(sep)
			t.WriteString(hex.EncodeToString(b[plain:end]))
			sep = "+"
		}
	}
	for i := 0; i < len(b); {
		if b[i] != 0 {
			i++
			continue
		}
		end := i + 1
		for end < len(b) && b[end] == 0 {
			end++
		}
		if n := end - i; n >= minZeroRun && n <= t.zeros {
			emit(i)
			t.WriteString(sep)
			t.WriteString("0*" + strconv.Itoa(n))
			sep = "+"
			plain = end
			t.zeros -= n
		}
		i = end
	}
	emit(len(b))
}

// ParseEvent reads the text form of one event. Errors name the field.
func ParseEvent(s string) (Event, error) {
	p := textParser{rest: s, zeros: maxZeros, seen: map[string]bool{}}
	e, err := p.event()
	if err != nil {
		return Event{}, fmt.Errorf("event text: %w", err)
	}
	return e, nil
}

type textParser struct {
	rest  string
	zeros int
	seen  map[string]bool
}

func (p *textParser) event() (Event, error) {
	var e Event
	name, rest, _ := strings.Cut(p.rest, " ")
	p.rest = rest
	for k, n := range kindNames {
		if n != "" && n == name {
			e.Kind = Kind(k)
		}
	}
	if e.Kind == 0 {
		return e, fmt.Errorf("unknown kind %.20q", name)
	}
	for {
		p.rest = strings.TrimLeft(p.rest, " ")
		if p.rest == "" {
			return e, nil
		}
		key, rest, ok := strings.Cut(p.rest, "=")
		if !ok || len(key) > 20 {
			return e, fmt.Errorf("no field at %.20q", p.rest)
		}
		if p.seen[key] && key != "write" && key != "map" {
			return e, fmt.Errorf("field %q twice", key)
		}
		p.seen[key] = true
		p.rest = rest
		if err := p.field(&e, key); err != nil {
			return e, fmt.Errorf("field %q: %w", key, err)
		}
		if p.rest != "" && p.rest[0] != ' ' {
			return e, fmt.Errorf("field %q: ends at %.20q", key, p.rest)
		}
	}
}

func (p *textParser) field(e *Event, key string) (err error) {
	switch key {
	case "tid":
		e.TID, err = p.int32()
	case "nr":
		e.NR, err = p.int32()
	case "ret":
		e.Ret, err = p.int(64)
	case "args":
		for i := range e.Args {
			if i > 0 {
				if err := p.lit(","); err != nil {
					return err
				}
			}
			if e.Args[i], err = p.uint(64); err != nil {
				return err
			}
		}
	case "pc":
		e.PC, err = p.uint(64)
	case "sp":
		e.SP, err = p.uint(64)
	case "time":
		e.Time, err = p.int(64)
	case "write":
		var w Write
		if w.Addr, err = p.uint(64); err != nil {
			return err
		}
		if err = p.lit(":"); err != nil {
			return err
		}
		w.Data, err = p.data()
		e.Writes = append(e.Writes, w)
	case "regs":
		e.Regs, err = p.regs()
	case "xstate":
		e.XState, err = p.data()
	case "map":
		var m Map
		m, err = p.mapping()
		e.Maps = append(e.Maps, m)
	case "sig":
		e.Sig, err = p.int32()
	case "info":
		e.Info, err = p.data()
	case "child":
		e.Child, err = p.int32()
	case "childregs":
		e.ChildRegs, err = p.regs()
	case "stub":
		e.Stub, err = p.int32()
	case "count":
		e.Count, err = p.uint(64)
	case "out":
		e.Out, err = p.data()
	default:
		err = fmt.Errorf("unknown")
	}
	return err
}

// word cuts the longest prefix made of the characters that numbers, names and
// hex data are written with.
func (p *textParser) word() string {
	n := strings.IndexFunc(p.rest, func(c rune) bool {
		return !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c == '_' || c == '-' || c == '*')
	})
	if n < 0 {
		n = len(p.rest)
	}
	w := p.rest[:n]
	p.rest = p.rest[n:]
	return w
}

func (p *textParser) lit(s string) error {
	rest, ok := strings.CutPrefix(p.rest, s)
	if !ok {
		return fmt.Errorf("no %q at %.20q", s, p.rest)
	}
	p.rest = rest
	return nil
}

func (p *textParser) uint(bits int) (uint64, error) {
	w := p.word()
	if h, ok := strings.CutPrefix(w, "0x"); ok {
		return strconv.ParseUint(h, 16, bits)
	}
	return strconv.ParseUint(w, 10, bits)
}

func (p *textParser) int(bits int) (int64, error) { return strconv.ParseInt(p.word(), 10, bits) }

func (p *textParser) int32() (int32, error) {
	v, err := p.int(32)
	return int32(v), err
}

func (p *textParser) regs() (*unix.PtraceRegs, error) {
	r := new(unix.PtraceRegs)
	fields := regFields(r)
	if p.lit("-") == nil {
		return r, nil
	}
	for {
		name := p.word()
		at := -1
		for i, n := range regNames {
			if n == name {
				at = i
			}
		}
		if at < 0 {
			return nil, fmt.Errorf("no register %.20q", name)
		}
		if err := p.lit(":"); err != nil {
			return nil, err
		}
		v, err := p.uint(64)
		if err != nil {
			return nil, err
		}
		*fields[at] = v
		if p.lit(",") != nil {
			return r, nil
		}
	}
}

// mapping reads ADDR+LEN,PROT,private|shared,FILE@OFF and, if it is one of an
// object, ",object N".
func (p *textParser) mapping() (m Map, err error) {
	var prot, file uint64
	var how string
	num := func(v *uint64, bits int) func() error {
		return func() (err error) { *v, err = p.uint(bits); return }
	}
	lit := func(s string) func() error { return func() error { return p.lit(s) } }
	for _, step := range []func() error{
		num(&m.Addr, 64), lit("+"), num(&m.Len, 64), lit(","), num(&prot, 32), lit(","),
		func() error { how = p.word(); return nil }, lit(","), num(&file, 32), lit("@"), num(&m.Off, 64),
	} {
		if err := step(); err != nil {
			return m, err
		}
	}
	if how != "private" && how != "shared" {
		return m, fmt.Errorf("%.20q is neither private nor shared", how)
	}
	m.Prot, m.File, m.Shared = uint32(prot), uint32(file), how == "shared"
	if p.lit(",object ") == nil {
		var n uint64
		if err := num(&n, 32)(); err != nil {
			return m, err
		}
		if m.Object = uint32(n); n == 0 {
			return m, fmt.Errorf("object 0")
		}
	}
	return m, nil
}

func (p *textParser) data() ([]byte, error) {
	if strings.HasPrefix(p.rest, `"`) {
		q, err := strconv.QuotedPrefix(p.rest)
		if err != nil {
			return nil, fmt.Errorf("string without an end")
		}
		p.rest = p.rest[len(q):]
		s, err := strconv.Unquote(q)
		if err != nil || s == "" {
			return nil, err
		}
		return []byte(s), nil
	}
	if p.lit("-") == nil {
		return nil, nil
	}
	var b []byte
	for {
		w := p.word()
		if n, ok := strings.CutPrefix(w, "0*"); ok {
			k, err := strconv.ParseUint(n, 10, 31)
			if err != nil {
				return nil, err
			}
			if int(k) > p.zeros {
				return nil, fmt.Errorf("too many zero bytes")
			}
			p.zeros -= int(k)
			b = append(b, make([]byte, k)...)
		} else {
			c, err := hex.DecodeString(w)
			if err != nil || w == "" {
				return nil, fmt.Errorf("bad data %.20q", w)
			}
			b = append(b, c...)
		}
		if p.lit("+") != nil {
			return b, nil
		}
	}
}
