package syscalls

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// argKinds are the kinds of arguments that a row's sig names.
var argKinds = map[string]func(v uint64, m Mem) string{
	"fd":    func(v uint64, _ Mem) string { return strconv.Itoa(int(int32(v))) },
	"at":    atName,
	"n":     func(v uint64, _ Mem) string { return strconv.FormatInt(int64(v), 10) },
	"len":   func(v uint64, _ Mem) string { return strconv.FormatUint(v, 10) },
	"x":     func(v uint64, _ Mem) string { return hex(v) },
	"oct":   func(v uint64, _ Mem) string { return fmt.Sprintf("%#o", uint32(v)) },
	"pid":   func(v uint64, _ Mem) string { return strconv.Itoa(int(int32(v))) },
	"ptr":   func(v uint64, _ Mem) string { return pointer(v) },
	"buf":   func(v uint64, _ Mem) string { return pointer(v) },
	"path":  quoted,
	"str":   quoted,
	"sig":   func(v uint64, _ Mem) string { return signalName(v) },
	"oflag": func(v uint64, _ Mem) string { return openFlags(v) },
	"prot":  func(v uint64, _ Mem) string { return flags(v, "PROT_NONE", protNames) },
	"mflag": func(v uint64, _ Mem) string { return flags(v, "MAP_FILE", mapNames) },
	"op":    func(v uint64, _ Mem) string { return hex(v) },
}

// Format prints a call and its result readably, for people:
// openat(AT_FDCWD, "/etc/passwd", O_RDONLY, 0) = 3. m, which may be nil, is
// where strings are read from; without it pointers are printed.
func Format(nr int64, a Args, ret int64, m Mem) string {
	return FormatCall(nr, a, m) + " = " + result(ret)
}

// FormatCall is Format without the result, for a call that has not ended.
func FormatCall(nr int64, a Args, m Mem) string {
	r := Lookup(nr)
	var b strings.Builder
	b.WriteString(r.Name)
	b.WriteByte('(')
	for i, k := range r.kinds() {
		if i > 0 {
			b.WriteString(", ")
		}
		if k == "op" {
			if o := r.op(a); o != nil {
				b.WriteString(o.name)
				if rest := uint64(uint32(a[i])) &^ o.val; rest != 0 && r.Nr == unix.SYS_FUTEX {
					b.WriteString("|" + flags(rest, "", futexFlags))
				}
				continue
			}
		}
		b.WriteString(argKinds[k](a[i], m))
	}
	b.WriteByte(')')
	return b.String()
}

// result prints a raw result: errors by name, addresses in hexadecimal.
func result(ret int64) string {
	switch {
	case ret < 0 && ret >= -4095:
		if n, ok := restarts[ret]; ok {
			return "? " + n
		}
		return "-" + errnoName(syscall.Errno(-ret))
	case ret > 1<<31 || ret < 0:
		return hex(uint64(ret))
	}
	return strconv.FormatInt(ret, 10)
}

// restarts are the results that only a tracer sees (include/linux/errno.h).
var restarts = map[int64]string{
	-512: "ERESTARTSYS", -513: "ERESTARTNOINTR", -514: "ERESTARTNOHAND", -516: "ERESTART_RESTARTBLOCK",
}

func errnoName(e syscall.Errno) string {
	if n := unix.ErrnoName(e); n != "" {
		return n
	}
	return strconv.Itoa(int(e))
}

func hex(v uint64) string {
	if v == 0 {
		return "0"
	}
	return "0x" + strconv.FormatUint(v, 16)
}

func pointer(v uint64) string {
	if v == 0 {
		return "NULL"
	}
	return hex(v)
}

func atName(v uint64, _ Mem) string {
	if int32(v) == unix.AT_FDCWD {
		return "AT_FDCWD"
	}
	return strconv.Itoa(int(int32(v)))
}

// quoted prints the string at v, at most 256 bytes of it.
func quoted(v uint64, m Mem) string {
	if v == 0 || m == nil {
		return pointer(v)
	}
	b := make([]byte, 257)
	n, _ := m.Read(v, b)
	if n <= 0 {
		return hex(v)
	}
	s, _, whole := strings.Cut(string(b[:n]), "\x00")
	if !whole {
		return strconv.Quote(s[:min(len(s), 256)]) + "..."
	}
	return strconv.Quote(s)
}

func signalName(v uint64) string {
	if n := unix.SignalName(syscall.Signal(v)); n != "" {
		return n
	}
	return strconv.FormatUint(v, 10)
}

type flagName struct {
	bit  uint64
	name string
}

var protNames = []flagName{{1, "PROT_READ"}, {2, "PROT_WRITE"}, {4, "PROT_EXEC"},
	{0x1000000, "PROT_GROWSDOWN"}, {0x2000000, "PROT_GROWSUP"}}

var mapNames = []flagName{{3, "MAP_SHARED_VALIDATE"}, {1, "MAP_SHARED"}, {2, "MAP_PRIVATE"}, {0x10, "MAP_FIXED"},
	{0x20, "MAP_ANONYMOUS"}, {0x40, "MAP_32BIT"}, {0x100, "MAP_GROWSDOWN"}, {0x800, "MAP_DENYWRITE"},
	{0x1000, "MAP_EXECUTABLE"}, {0x2000, "MAP_LOCKED"}, {0x4000, "MAP_NORESERVE"}, {0x8000, "MAP_POPULATE"},
	{0x10000, "MAP_NONBLOCK"}, {0x20000, "MAP_STACK"}, {0x40000, "MAP_HUGETLB"}, {0x80000, "MAP_SYNC"},
	{0x100000, "MAP_FIXED_NOREPLACE"}}

var openNames = []flagName{{0o100, "O_CREAT"}, {0o200, "O_EXCL"}, {0o400, "O_NOCTTY"}, {0o1000, "O_TRUNC"},
	{0o2000, "O_APPEND"}, {0o4000, "O_NONBLOCK"}, {0o4010000, "O_SYNC"}, {0o10000, "O_DSYNC"}, {0o20000, "O_ASYNC"},
	{0o40000, "O_DIRECT"}, {0o100000, "O_LARGEFILE"}, {0o20200000, "O_TMPFILE"}, {0o200000, "O_DIRECTORY"},
	{0o400000, "O_NOFOLLOW"}, {0o1000000, "O_NOATIME"}, {0o2000000, "O_CLOEXEC"}, {0o10000000, "O_PATH"}}

var futexFlags = []flagName{{0x80, "FUTEX_PRIVATE_FLAG"}, {0x100, "FUTEX_CLOCK_REALTIME"}}

func openFlags(v uint64) string {
	mode := [...]string{"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"}[v&3]
	if v &^= 3; v == 0 {
		return mode
	}
	return mode + "|" + flags(v, "", openNames)
}

// flags prints v as names joined by |, what has no name in hexadecimal.
func flags(v uint64, zero string, names []flagName) string {
	if v == 0 {
		return zero
	}
	var p []string
	for _, f := range names {
		if v&f.bit == f.bit {
			p = append(p, f.name)
			v &^= f.bit
		}
	}
	if v != 0 {
		p = append(p, hex(v))
	}
	return strings.Join(p, "|")
}
