package gdbserver

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ^C in gdb stops a motion that is under way, and a verb that asks gdb for
// values; the session goes on.
func TestInterruptFromGDB(t *testing.T) {
	exe := buildC(t, "walk.c", "-no-pie")
	m := newMachine(record(t, exe, 50000))
	sock := serveMachine(t, history{m}, Options{})
	dir := t.TempDir()
	script, cmds := filepath.Join(dir, "yore.gdb"), filepath.Join(dir, "cmds")
	for file, text := range map[string]string{
		script: Script(ScriptOptions{Exe: exe, Address: sock}),
		cmds: `set width 0
source ` + script + `
tbreak push
continue
echo ==wait\n
python
def run(what):
    try:
        gdb.execute(what)
        print('done')
    except gdb.error as e:
        print('error: %s' % e)
    except KeyboardInterrupt:
        print('interrupted')
end
monitor wait
python run('reverse-continue')
frame
monitor free
reverse-stepi
echo ==flow\n
python
try:
    _yore.verb('forever')
except (gdb.error, KeyboardInterrupt) as e:
    print('ended by %s' % type(e).__name__)
end
when
reverse-stepi
echo ==end\n
`} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "gdb", "-nx", "-batch", "-x", cmds)
	cmd.Env = append(os.Environ(), "HOME="+dir, "DEBUGINFOD_URLS=", "LC_ALL=C")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the motion, then the verb
		select {
		case <-interruptHere:
			cmd.Process.Signal(os.Interrupt)
		case <-ctx.Done():
		}
	}
	cmd.Wait()
	if ctx.Err() != nil {
		t.Fatalf("gdb hangs:\n%s", &out)
	}
	s := sections(out.String())
	for _, c := range []check{
		{"wait", "received signal SIGINT"}, {"wait", "push (i=0)"}, {"wait", "23\t{"},
		{"flow", "ended by"}, {"flow", "state "},
	} {
		if !strings.Contains(s[c.section], c.want) {
			t.Errorf("section %s lacks %q:\n%s", c.section, c.want, &out)
		}
	}
	if _, reached := s["end"]; !reached {
		t.Errorf("the script ended early:\n%s", &out)
	}
}
