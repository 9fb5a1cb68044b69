package delve

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"go/constant"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-delve/delve/pkg/proc"
	"github.com/go-delve/delve/service/api"
)

// examined is what `x` showed last, for the next.
type examined struct {
	next  uint64
	count int
	form  byte
	size  int
}

// examine is gdb's `x[/NFU] ADDRESS`.
func (b *Backend) examine(ctx context.Context, args string) error {
	e := b.examined
	if e.size == 0 {
		e.form, e.size = 'x', 8
	}
	e.count = 1
	if rest, ok := strings.CutPrefix(args, "/"); ok {
		word, expr, _ := strings.Cut(rest, " ")
		args = strings.TrimSpace(expr)
		n := len(word) - len(strings.TrimLeft(word, "0123456789"))
		if n > 0 {
			e.count, _ = strconv.Atoi(word[:n])
		}
		for _, c := range word[n:] {
			switch c {
			case 'b', 'h', 'w', 'g':
				e.size = map[rune]int{'b': 1, 'h': 2, 'w': 4, 'g': 8}[c]
			case 'x', 'd', 'u', 'o', 't', 'c', 's', 'i', 'a', 'z':
				e.form = byte(c)
			default:
				return fmt.Errorf("x/%s: letter %c is not known", word, c)
			}
		}
	}
	const most = 1 << 16
	if e.count < 1 || e.count > most {
		return fmt.Errorf("x: want between 1 and %d items", most)
	}
	addr := e.next
	if args != "" {
		var err error
		if addr, err = b.address(args); err != nil {
			return err
		}
	} else if b.examined.next == 0 {
		return errors.New("x: want an address")
	}
	var err error
	switch e.form {
	case 'i':
		addr, err = b.code(addr, e.count)
	case 's':
		addr, err = b.strings(addr, e.count)
	default:
		addr, err = b.words(addr, e)
	}
	e.next = addr
	b.examined = e
	return err
}

// examineMemory is Delve's `examinemem [-fmt F] [-count N] [-size N] ADDRESS | -x EXPR`.
func (b *Backend) examineMemory(_ context.Context, args string) error {
	e := examined{count: 1, form: 'x', size: 1}
	words := strings.Fields(args)
	for len(words) > 1 && strings.HasPrefix(words[0], "-") && words[0] != "-x" {
		n, err := strconv.Atoi(words[1])
		switch words[0] {
		case "-fmt":
			f, ok := map[string]byte{"hex": 'x', "hexadecimal": 'x', "dec": 'u', "decimal": 'u', "oct": 'o', "octal": 'o', "bin": 't', "binary": 't', "addr": 'a', "address": 'a'}[words[1]]
			if err = nil; !ok {
				err = errors.New("want hex, dec, oct, bin or addr")
			}
			e.form = f
		case "-count", "-len":
			e.count = n
		case "-size":
			e.size = n
		default:
			err = errors.New("this option is not known")
		}
		if err != nil {
			return fmt.Errorf("examinemem %s %s: %w", words[0], words[1], err)
		}
		words = words[2:]
	}
	if len(words) > 0 && words[0] == "-x" {
		words = words[1:]
	}
	if len(words) == 0 || e.count < 1 || e.count > 1<<16 || e.size != 1 && e.size != 2 && e.size != 4 && e.size != 8 {
		return errors.New("examinemem: want an address, a size of 1, 2, 4 or 8, and a count up to 65536")
	}
	addr, err := b.address(strings.Join(words, " "))
	if err == nil {
		_, err = b.words(addr, e)
	}
	return err
}

// address evaluates an expression as an address: a number, a pointer, or the
// place of what it names. $pc and other registers are gdb's way to say them.
func (b *Backend) address(expr string) (uint64, error) {
	if r, ok := strings.CutPrefix(expr, "$"); ok {
		name, rest, plus := strings.Cut(r, "+")
		v, err := b.register(name)
		if err != nil || !plus {
			return v, err
		}
		n, err := strconv.ParseUint(strings.TrimSpace(rest), 0, 64)
		return v + n, err
	}
	scope, err := b.scope()
	if err != nil {
		return 0, err
	}
	v, err := scope.EvalExpression(expr, proc.LoadConfig{MaxVariableRecurse: 1})
	if err != nil {
		return 0, err
	}
	switch v.Kind {
	case reflect.Ptr:
		if len(v.Children) > 0 {
			return v.Children[0].Addr, nil
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if n, ok := constant.Uint64Val(constant.ToInt(v.Value)); ok {
			return n, nil
		}
	case reflect.Slice, reflect.String, reflect.UnsafePointer:
		return v.Base, nil
	}
	if v.Addr != 0 && v.Flags&proc.VariableFakeAddress == 0 {
		return v.Addr, nil
	}
	return 0, fmt.Errorf("%s is no address", expr)
}

// words prints count items of memory and returns where they end.
func (b *Backend) words(addr uint64, e examined) (uint64, error) {
	perLine := 8
	switch {
	case e.form == 't':
		perLine = max(1, 8/e.size)
	case e.size > 1:
		perLine = max(1, 16/e.size)
	}
	for done := 0; done < e.count; {
		n := min(perLine, e.count-done)
		buf := make([]byte, n*e.size)
		if _, err := b.p.ReadMemory(buf, addr); err != nil {
			return addr, err
		}
		b.printf("%#x:", addr)
		for i := range n {
			b.print("\t" + item(buf[i*e.size:(i+1)*e.size], e.form))
		}
		b.print("\n")
		addr += uint64(len(buf))
		done += n
	}
	return addr, nil
}

// item prints a little-endian number.
func item(p []byte, form byte) string {
	var full [8]byte
	copy(full[:], p)
	u := binary.LittleEndian.Uint64(full[:])
	shift := 64 - 8*len(p)
	switch form {
	case 'd':
		return strconv.FormatInt(int64(u<<shift)>>shift, 10)
	case 'u':
		return strconv.FormatUint(u, 10)
	case 'o':
		return "0" + strconv.FormatUint(u, 8)
	case 't':
		return fmt.Sprintf("%0*b", 8*len(p), u)
	case 'c':
		return fmt.Sprintf("%d %q", u, rune(byte(u)))
	}
	return fmt.Sprintf("0x%0*x", 2*len(p), u)
}

// strings prints texts that end with a zero byte.
func (b *Backend) strings(addr uint64, count int) (uint64, error) {
	const longest = 200
	for range count {
		var text []byte
		at := addr
		for len(text) < longest {
			var c [1]byte
			if _, err := b.p.ReadMemory(c[:], addr); err != nil {
				return addr, err
			}
			addr++
			if c[0] == 0 {
				break
			}
			text = append(text, c[0])
		}
		b.printf("%#x:\t%q\n", at, text)
	}
	return addr, nil
}

// code prints count instructions.
func (b *Backend) code(addr uint64, count int) (uint64, error) {
	const longest = 15
	text, err := proc.Disassemble(b.p, nil, b.p.Breakpoints(), b.p.bi, addr, addr+uint64(count)*longest)
	if len(text) == 0 {
		return addr, err
	}
	pc, _ := b.pc()
	for i, in := range text {
		if i == count {
			return in.Loc.PC, nil
		}
		b.showInstruction(&in, pc)
	}
	return addr, nil
}

func (b *Backend) showInstruction(in *proc.AsmInstruction, pc uint64) {
	sign := "  "
	if in.Loc.PC == pc {
		sign = "=>"
	}
	where := ""
	if in.Loc.Line > 0 {
		where = b.line(in.Loc)
	}
	b.printf("%s %-24s %#x\t%-20x\t%s\n", sign, where, in.Loc.PC, in.Bytes, in.Text(proc.IntelFlavour, b.p.bi))
}

// disassemble is `disassemble [-a FROM TO | -l LOCATION | LOCATION]`: without
// arguments the selected frame's function.
func (b *Backend) disassemble(_ context.Context, args string) error {
	pc, _ := b.pc()
	lo, hi := uint64(0), uint64(0)
	words := strings.Fields(args)
	switch {
	case len(words) == 3 && words[0] == "-a":
		var err error
		if lo, err = b.address(words[1]); err != nil {
			return err
		}
		if hi, err = b.address(words[2]); err != nil {
			return err
		}
	default:
		at := uint64(0)
		if spec := strings.TrimSpace(strings.TrimPrefix(args, "-l ")); spec != "" {
			locs, err := b.locate(spec)
			if err != nil {
				return err
			}
			at = addresses(locs[0])[0]
		} else {
			frames, err := b.stack(b.frame)
			if err != nil || b.frame >= len(frames) {
				return fmt.Errorf("there is no frame %d", b.frame)
			}
			at = frames[b.frame].Current.PC
			if b.frame > 0 {
				pc = at
			}
		}
		fn := b.p.bi.PCToFunc(at)
		if fn == nil {
			return fmt.Errorf("no function is at %#x; `x/10i %#x` shows instructions", at, at)
		}
		lo, hi = fn.Entry, fn.End
		b.printf("TEXT %s() %s\n", fn.Name, func() string { f, _ := b.p.bi.EntryLineForFunc(fn); return b.short(f) }())
	}
	text, err := proc.Disassemble(b.p, nil, b.p.Breakpoints(), b.p.bi, lo, hi)
	for i := range text {
		b.showInstruction(&text[i], pc)
	}
	return err
}

// register returns a general register of the selected thread by name.
func (b *Backend) register(name string) (uint64, error) {
	r, err := b.target().CurrentThread().Registers()
	if err != nil {
		return 0, err
	}
	switch name {
	case "pc":
		return r.PC(), nil
	case "sp":
		return r.SP(), nil
	case "fp":
		return r.BP(), nil
	}
	list, err := r.Slice(false)
	if err != nil {
		return 0, err
	}
	for _, x := range list {
		if strings.EqualFold(x.Name, name) {
			return x.Reg.Uint64Val, nil
		}
	}
	return 0, fmt.Errorf("there is no register %s", name)
}

// registers is `regs [-a]`, `info registers [NAMES]`: of the selected frame.
func (b *Backend) registers(_ context.Context, args string) error {
	args, all := strings.CutPrefix(args, "-a")
	frames, err := b.stack(b.frame)
	if err != nil || b.frame >= len(frames) {
		return fmt.Errorf("there is no frame %d", b.frame)
	}
	regs := frames[b.frame].Regs
	if b.frame == 0 {
		r, err := b.target().CurrentThread().Registers()
		if err != nil {
			return err
		}
		list, err := r.Slice(all)
		if err != nil {
			return err
		}
		want := strings.Fields(strings.ReplaceAll(args, "$", ""))
		n := 0
		for _, x := range list {
			if len(want) > 0 && !containsFold(want, x.Name) {
				continue
			}
			n++
			text := ""
			if x.Reg.Bytes != nil {
				text = fmt.Sprintf("%#x", x.Reg.Bytes)
			} else {
				text = fmt.Sprintf("%#016x", x.Reg.Uint64Val)
			}
			b.printf("%12s = %s\n", x.Name, text)
		}
		if n == 0 {
			return fmt.Errorf("there is no register %s", strings.TrimSpace(args))
		}
		return nil
	}
	for _, x := range api.ConvertRegisters(&regs, b.p.bi.Arch.DwarfRegisterToString, all) {
		b.printf("%12s = %s\n", x.Name, x.Value)
	}
	return nil
}

func containsFold(list []string, s string) bool {
	for _, x := range list {
		if strings.EqualFold(x, s) {
			return true
		}
	}
	return false
}
