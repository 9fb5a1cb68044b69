package engine

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"yore/engine/trace"
	"yore/testprogs"
)

// recorded records a sample program to disk, with an image every 60 ms.
func recorded(t *testing.T, name string, args ...string) (dir string, res Result) {
	t.Helper()
	argv := append([]string{testprogs.Build(t, name)}, args...)
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	o := RecordOptions{Path: argv[0], Args: argv, Env: os.Environ(), Dir: t.TempDir(),
		Files: [3]*os.File{null, null, null}, ImageEvery: 60 * time.Millisecond}
	dir = filepath.Join(t.TempDir(), "recording")
	if o.Recording, err = trace.CreateAt(dir, false, NewMeta(&o, "test")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if res, err = Record(ctx, o); err != nil {
		t.Fatal(err)
	}
	if err := o.Recording.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, res
}

// TestVerifyImages replays recordings from each of their images: of programs whose
// stubs, files, threads and predecessors an image has to bring along.
func TestVerifyImages(t *testing.T) {
	for _, name := range []string{"thr_spin", "mem_files", "proc_exec"} {
		t.Run(name, func(t *testing.T) {
			p, err := testprogs.Find(name)
			if err != nil {
				t.Fatal(err)
			}
			dir, res := recorded(t, name, p.Args...)
			if res.Status() != p.Exit {
				t.Errorf("ended with status %d, want %d", res.Status(), p.Exit)
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			whole, err := Verify(ctx, dir, false, nil)
			if err != nil {
				t.Fatal(err)
			}
			v, err := VerifyImages(ctx, dir, false)
			if err != nil {
				t.Fatal(err)
			}
			if v.Checkpoints < whole.Checkpoints {
				t.Errorf("%d states compared, %d fingerprints", v.Checkpoints, whole.Checkpoints)
			}
			t.Logf("%d events, %d states compared", v.Events, v.Checkpoints)
		})
	}
}
