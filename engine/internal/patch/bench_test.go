package patch

import (
	"testing"
	"time"
)

// BenchmarkStub measures what a hit of each kind of stub costs in a loop that
// does nothing else.
func BenchmarkStub(b *testing.B) {
	exe := build(b, "hot.c", "-O1")
	match := &Match{Regs: [16]uint64{1: 99}}
	for _, c := range []struct {
		name string
		spec *Spec
	}{
		{"none", nil},
		{"count", &Spec{}},
		{"mark", &Spec{Ring: true}},
		{"limit", &Spec{Limited: true, Limit: never}},
		{"limit+mark", &Spec{Limited: true, Limit: never, Ring: true}},
		{"match", &Spec{Match: match}},
		{"condition", &Spec{Cond: &Cond{Terms: []Term{{Operand: Operand{Reg: 7, Width: 4, Signed: true}, Op: Eq, Value: 1 << 40}}}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			x := start(b, exe)
			x.runTo(x.sym("main"))
			p := NewPlan(x.text(), x.maps(), nil)
			if c.spec != nil {
				s, steps, err := p.AddNear(x.sym("hot"), *c.spec)
				if err != nil || steps > 0 {
					b.Fatal(s, steps, err)
				}
				x.install(p)
			}
			t0 := time.Now()
			x.cont(0)
			const hits = 50_000_000
			b.ReportMetric(float64(time.Since(t0))/hits, "ns/hit")
		})
	}
}
