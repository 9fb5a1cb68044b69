package pack

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"yore/engine/bundle"
	"yore/engine/trace"
)

func TestPreflight(t *testing.T) {
	intel := trace.Machine{Features: []string{"avx", "avx2", "avx512f", "sse2"}, Kernel: "6.18.5", XStateSize: 2696}
	host := func(change func(*Host)) Host {
		h := Host{Machine: intel, MaxMappings: 65530, LowestAddress: 65536, AddressSpace: unix.RLIM_INFINITY}
		change(&h)
		return h
	}
	plain := bundle.Needs{XStateUsed: 0x7, LowestAddress: 0x400000, HighestAddress: 0x7fffffff0000, Mappings: 30}
	zmm := plain
	zmm.XStateUsed |= 0xe0
	high := plain
	high.HighestAddress = 1 << 50
	many := plain
	many.Mappings = 65000
	for name, c := range map[string]struct {
		needs   bundle.Needs
		h       Host
		refused bool
		says    string // "" for nothing at all
	}{
		"the same":           {plain, host(func(*Host) {}), false, ""},
		"newer kernel":       {plain, host(func(h *Host) { h.Kernel = "7.0.1-generic" }), false, ""},
		"older kernel":       {plain, host(func(h *Host) { h.Kernel = "6.9.1" }), false, "this is 6.9.1"},
		"lacks what it used": {zmm, host(func(h *Host) { h.Features = []string{"avx", "avx2", "sse2"}; h.XStateSize = 840 }), true, "lacks avx512f, which the program used"},
		"lacks what it may":  {plain, host(func(h *Host) { h.Features = []string{"avx", "sse2"} }), false, "lacks avx2, avx512f, which the program may"},
		"elsewhere":          {zmm, host(func(h *Host) { h.XStateSize = 2440 }), true, "keeps elsewhere"},
		"other layout":       {plain, host(func(h *Host) { h.XStateSize = 2440 }), false, "2440 bytes here and had 2696"},
		"five-level tables":  {high, host(func(*Host) {}), true, "beyond what can be mapped"},
		"many mappings":      {many, host(func(*Host) {}), true, "max_map_count is 65530"},
		"limited":            {plain, host(func(h *Host) { h.AddressSpace = 1 << 30 }), false, "ulimit -v"},
	} {
		got := Preflight(&bundle.Manifest{Needs: c.needs}, &trace.Meta{Machine: intel}, c.h)
		if c.says == "" {
			if len(got) > 0 {
				t.Errorf("%s: %+v", name, got)
			}
			continue
		}
		if len(got) != 1 || got[0].Refused != c.refused || !strings.Contains(got[0].Text, c.says) || strings.Contains(got[0].Text, "\n") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
