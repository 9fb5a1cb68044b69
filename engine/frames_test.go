package engine

import (
	"strings"
	"testing"

	"yore/engine/trace"
)

// TestTopFrames: a recording says how its program got where it ended.
func TestTopFrames(t *testing.T) {
	for name, want := range map[string][]string{
		"sig_crash": {"report", "main"},              // by its own functions
		"sig_abort": {"gsignal", "abort", "spender"}, // through the C library, in a thread
		"sys_pipes": {"_exit", "exit"},               // by exit
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := recorded(t, name)
			r, err := trace.OpenRecording(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			text := strings.Join(r.Meta().Frames, "\n")
			rest := text
			for _, f := range want {
				i := strings.Index(rest, " in "+f+"+0x")
				if i < 0 {
					t.Fatalf("frames, without %s:\n%s", f, text)
				}
				rest = rest[i+1:]
			}
		})
	}
}
