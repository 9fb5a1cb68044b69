package pack

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"yore/engine/bundle"
	"yore/engine/trace"
)

// Host is a machine as far as replay depends on it.
type Host struct {
	trace.Machine        // with XStateSize
	MaxMappings   int    // vm.max_map_count, 0 unknown
	LowestAddress uint64 // that can be mapped
	AddressSpace  uint64 // RLIMIT_AS, bytes
}

// addressEnd is the end of a program's addresses with four-level page tables, which
// replay stays below.
const addressEnd = 0x7ffffffff000

// ThisHost describes the machine that runs us, whose XSAVE area has xstateSize
// bytes.
func ThisHost(xstateSize int) Host {
	h := Host{Machine: trace.ThisMachine(), AddressSpace: unix.RLIM_INFINITY}
	h.XStateSize = xstateSize
	h.MaxMappings = int(number("/proc/sys/vm/max_map_count"))
	h.LowestAddress = uint64(number("/proc/sys/vm/mmap_min_addr"))
	var lim unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_AS, &lim) == nil {
		h.AddressSpace = lim.Cur
	}
	return h
}

func number(file string) int64 {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n
}

// Finding is something about a machine or a bundle that stands in the way of
// replay, or may. Text is one line.
type Finding struct {
	Refused bool
	Text    string
}

// xfeatures are the components of the XSAVE area that stand for an instruction set,
// by bit, in words of /proc/cpuinfo.
var xfeatures = map[int]string{2: "avx", 5: "avx512f", 6: "avx512f", 7: "avx512f", 18: "amx_tile"}

// portable are the components that lie where they lie on all processors (x87, SSE,
// AVX), or whose initial state every program has and hardly any uses (PKRU).
const portable = 1<<0 | 1<<1 | 1<<2 | 1<<9

// used lists the CPU features that a run is known to have used.
func used(n *bundle.Needs) []string {
	out := slices.Clone(n.Features)
	for bit := range 64 {
		if f := xfeatures[bit]; f != "" && n.XStateUsed>>bit&1 != 0 && !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// Opens says on which machines a recording can be replayed, and on which it surely
// can. needs is nil when what the run used is not known.
func Opens(rec *trace.Meta, needs *bundle.Needs) (can, surely string) {
	can = "x86-64 Linux"
	if needs != nil {
		if list := used(needs); len(list) > 0 {
			can += ", on a processor with " + strings.Join(list, ", ") + ", which the program used"
		}
	}
	if list := rec.Machine.Visible(); len(list) > 0 {
		surely = "processors that have all that this one had: " + strings.Join(list, " ")
	}
	return can, surely
}

// Preflight holds what a bundle needs against a machine, before anything runs.
func Preflight(m *bundle.Manifest, rec *trace.Meta, h Host) []Finding {
	var out []Finding
	refuse := func(format string, args ...any) { out = append(out, Finding{true, fmt.Sprintf(format, args...)}) }
	warn := func(format string, args ...any) { out = append(out, Finding{false, fmt.Sprintf(format, args...)}) }

	lacks := h.Lacks(&rec.Machine)
	needed := used(&m.Needs)
	var hard []string
	for _, f := range needed {
		if !slices.Contains(h.Features, f) {
			hard = append(hard, f)
		}
	}
	lacks = slices.DeleteFunc(lacks, func(f string) bool { return slices.Contains(hard, f) })
	if len(hard) > 0 {
		refuse("this processor lacks %s, which the program used: it cannot be replayed here", strings.Join(hard, ", "))
	}
	if len(lacks) > 0 {
		warn("this processor lacks %s, which the program may have used: if it did, replay ends there as a divergence", strings.Join(lacks, ", "))
	}
	if a, b := rec.Machine.XStateSize, h.XStateSize; a != 0 && b != 0 && a != b {
		if u := m.Needs.XStateUsed &^ portable; u != 0 && len(hard) == 0 {
			refuse("the program used registers (components %#x of XSAVE) that this processor keeps elsewhere: they cannot be restored", u)
		} else if u == 0 {
			warn("the register state has %d bytes here and had %d: code that saves it, as lazy binding does, may differ", b, a)
		}
	}
	if older(h.Kernel, rec.Machine.Kernel) {
		warn("recorded on Linux %s, this is %s: no difference is known to matter", rec.Machine.Kernel, h.Kernel)
	}
	n := &m.Needs
	if n.HighestAddress > addressEnd {
		refuse("the program had memory at %#x, beyond what can be mapped here", n.HighestAddress)
	}
	if n.LowestAddress < h.LowestAddress && n.HighestAddress != 0 && os.Geteuid() != 0 {
		refuse("the program had memory at %#x, and vm.mmap_min_addr is %#x here", n.LowestAddress, h.LowestAddress)
	}
	// Replay adds mappings of its own, and splits some.
	if h.MaxMappings > 0 && n.Mappings+1000 > h.MaxMappings {
		refuse("the program had %d mappings, and vm.max_map_count is %d here: raise it by sysctl", n.Mappings, h.MaxMappings)
	}
	if h.AddressSpace != unix.RLIM_INFINITY {
		warn("the address space is limited (ulimit -v): the program's memory may not fit")
	}
	var gone int64
	for _, l := range m.LeftOut {
		gone += l.Size
	}
	if len(m.LeftOut) > 0 {
		warn("%d files that belong to it were left out (%d MB): `yore info` lists them", len(m.LeftOut), gone>>20)
	}
	return out
}

// older reports whether kernel release a is older than b, by version and patch
// level.
func older(a, b string) bool {
	x, y := release(a), release(b)
	return x[0] < y[0] || x[0] == y[0] && x[1] < y[1]
}

func release(s string) (v [2]int) {
	parts := strings.SplitN(s, ".", 3)
	for i := range min(2, len(parts)) {
		v[i], _ = strconv.Atoi(strings.TrimRightFunc(parts[i], func(r rune) bool { return r < '0' || r > '9' }))
	}
	return v
}

// Missing lists the mapped files that a bundle names and does not hold.
func Missing(r *bundle.Reader) []string {
	var out []string
	for i := range r.Manifest.Files {
		f := &r.Manifest.Files[i]
		if _, ok := r.Size(bundle.FileEntry(f.ID)); !ok && len(f.Paths) > 0 {
			out = append(out, string(f.Paths[0]))
		}
	}
	return out
}
