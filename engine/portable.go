package engine

import "strings"

// What keeps a program from using instructions that another processor may lack, as
// far as libraries decide that at run time: glibc chooses its string functions and
// how lazy binding saves registers, Go its runtime's and standard library's fast
// paths. A program that asks the processor itself, or was compiled for a newer one,
// does as before.
const (
	portableTunable = "glibc.cpu.hwcaps"
	portableGlibc   = portableTunable + "=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX512CD,-BMI1,-BMI2,-LZCNT,-MOVBE,-FMA,-FMA4," +
		"-ERMS,-FSRM,-RTM,-XSAVE,-XSAVEC"
	portableGo = "cpu.all=off"
)

// PortableEnv returns an environment in which a program keeps to instructions that
// all x86-64 processors have. What the person has set beside that stays.
func PortableEnv(env []string) []string {
	out := make([]string, 0, len(env)+2)
	tunables, godebug := portableGlibc, portableGo
	for _, kv := range env {
		switch k, v, _ := strings.Cut(kv, "="); {
		case k == "GLIBC_TUNABLES" && v != "":
			// glibc takes the last of those that it finds twice.
			tunables = v + ":" + portableGlibc
		case k == "GODEBUG" && v != "":
			godebug = v + "," + portableGo
		case k != "GLIBC_TUNABLES" && k != "GODEBUG":
			out = append(out, kv)
		}
	}
	return append(out, "GLIBC_TUNABLES="+tunables, "GODEBUG="+godebug)
}

// portable reports whether an environment is one of PortableEnv's.
func portable(env []string) bool {
	for _, kv := range env {
		if strings.HasPrefix(kv, "GLIBC_TUNABLES=") && strings.HasSuffix(kv, portableGlibc) {
			return true
		}
	}
	return false
}
