package patch

import (
	"debug/elf"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestMarksOfLargeFunctions plans marks for the largest functions of big
// programs and reports how many blocks can have one.
func TestMarksOfLargeFunctions(t *testing.T) {
	for _, f := range []string{"/usr/bin/python3", "/usr/bin/gdb", "/lib/x86_64-linux-gnu/libc.so.6", "/usr/bin/node", "/proc/self/exe"} {
		t.Run(filepath.Base(f), func(t *testing.T) {
			f, err := filepath.EvalSymlinks(f)
			if err != nil {
				t.Skipf("%v", err)
			}
			text := loadText(t, f)
			t0 := time.Now()
			m := text.module(text.areas[0])
			fns := m.functions()
			t.Logf("%d functions in %v", len(fns), time.Since(t0))
			var big []span
			for len(big) < 5 {
				var best span
			next:
				for _, s := range fns {
					if s.hi-s.lo <= best.hi-best.lo {
						continue
					}
					for _, b := range big {
						if s.lo < b.hi && b.lo < s.hi {
							continue next
						}
					}
					best = s
				}
				big = append(big, best)
			}
			if e, err := elf.Open(f); err == nil && os.Getenv("PATCH_SYM") != "" {
				ss, _ := e.DynamicSymbols()
				for _, s := range ss {
					if s.Name == os.Getenv("PATCH_SYM") {
						big = append(big, span{s.Value, s.Value + s.Size})
					}
				}
			}
			for _, s := range big {
				t0 := time.Now()
				fn, err := text.function(s.lo, s.hi)
				if err != nil {
					t.Fatal(err)
				}
				t1 := time.Now()
				p := NewPlan(text, text.maps, nil)
				marks, blocks, err := p.Marks(s.lo, s.hi)
				if err != nil {
					t.Fatal(err)
				}
				t2 := time.Now()
				single, multi, puns := 0, 0, 0
				for _, m := range marks {
					switch {
					case m.Stub.win.direct:
						single++
					case m.Stub.win.n >= 5:
						multi++
					default:
						puns++
					}
				}
				t.Logf("%#x %d bytes, partial %v: %d blocks, %d marks (%d single, %d several, %d puns), decode %v, plan %v, %d maps, %d tramp pages",
					s.lo, s.hi-s.lo, fn.partial, blocks, len(marks), single, multi, puns, t1.Sub(t0), t2.Sub(t1), len(p.Maps()), len(p.tramps.pages))
			}
		})
	}
}
