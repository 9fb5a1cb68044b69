package trace

import (
	"bytes"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine is where a program was recorded: what a replay depends on.
type Machine struct {
	CPU      string   `json:"cpu"`
	Features []string `json:"features"` // flags of /proc/cpuinfo, sorted
	Kernel   string   `json:"kernel"`
	CPUs     int      `json:"cpus"`
	// XCR0 and XStateSize describe the XSAVE area, when the recorder knows them.
	XCR0       uint64 `json:"xcr0,omitempty"`
	XStateSize int    `json:"xstate_size,omitempty"`
	// Ran is the processor that the program was kept on, counted from 1: what its code
	// asks of the processor itself (cpuid) can differ from one to the next. 0: unknown.
	Ran int `json:"ran,omitempty"`
}

// ThisMachine describes the machine that runs us, without XCR0 and XStateSize.
func ThisMachine() Machine {
	var m Machine
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.CPU, m.Features, m.CPUs = parseCPUInfo(b)
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	return m
}

// parseCPUInfo reads /proc/cpuinfo of x86: model and flags of the first
// processor, and the number of them.
func parseCPUInfo(b []byte) (model string, flags []string, n int) {
	for line := range bytes.Lines(b) {
		k, v, _ := strings.Cut(string(line), ":")
		v = strings.TrimSpace(v)
		switch strings.TrimSpace(k) {
		case "processor":
			n++
		case "model name":
			if model == "" {
				model = v
			}
		case "flags":
			if flags == nil {
				flags = strings.Fields(v)
				slices.Sort(flags)
			}
		}
	}
	return model, flags, n
}

// visible are the CPU features that a program can notice: instruction sets and
// the layout of its register state. The rest of the kernel's flags are about
// the machine's management.
var visible = map[string]bool{}

func init() {
	for f := range strings.FieldsSeq(`cx8 cmov mmx fxsr sse sse2 pni pclmulqdq ssse3 fma cx16 sse4_1
		sse4_2 movbe popcnt aes xsave avx f16c rdrand lahf_lm abm sse4a 3dnowprefetch xop fma4 tbm
		fsgsbase bmi1 hle avx2 bmi2 erms rtm mpx avx512f avx512dq rdseed adx avx512ifma clflushopt
		clwb avx512pf avx512er avx512cd sha_ni avx512bw avx512vl xsaveopt xsavec xgetbv1 xsaves
		avx_vnni avx512_bf16 clzero avx512vbmi umip pku ospke waitpkg avx512_vbmi2 gfni vaes
		vpclmulqdq avx512_vnni avx512_bitalg avx512_vpopcntdq la57 rdpid cldemote movdiri movdir64b
		fsrm fsrs fzrm avx512_vp2intersect serialize amx_bf16 avx512_fp16 amx_tile amx_int8 avx_ifma
		avx_vnni_int8 avx_ne_convert cmpccxadd amx_fp16 sha512 sm3 sm4 user_shstk rdtscp`) {
		visible[f] = true
	}
}

// Visible lists the features that a program can notice.
func (m *Machine) Visible() []string {
	return slices.DeleteFunc(slices.Clone(m.Features), func(f string) bool { return !visible[f] })
}

// Lacks lists the features visible to programs that rec had and m has not.
func (m *Machine) Lacks(rec *Machine) []string {
	var out []string
	for _, f := range rec.Features {
		if visible[f] && !slices.Contains(m.Features, f) {
			out = append(out, f)
		}
	}
	return out
}
