package repl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"yore/debugger"
)

// A prompt owns the terminal of its process, so each test runs one in a process
// of its own: this test binary again, with a stage instead of a debugger.

func TestMain(m *testing.M) {
	if os.Getenv("REPL_TEST_STAGE") != "" {
		os.Exit(stageMain())
	}
	os.Exit(m.Run())
}

// stage is a Session with a few commands that show what the prompt does. Its
// "program" is itself, on the slave side of a terminal.
type stage struct {
	r      *REPL
	master *os.File
	slave  *os.File
}

func stageMain() int {
	master, slave, err := pty.Open()
	if err != nil {
		fmt.Println(err)
		return 99
	}
	s := &stage{master: master, slave: slave}
	opts := Options{HistoryFile: os.Getenv("REPL_TEST_HISTORY"), Terminal: master, Batch: os.Getenv("REPL_TEST_BATCH") != ""}
	for _, step := range strings.Split(os.Getenv("REPL_TEST_STEPS"), ";") {
		if file, ok := strings.CutPrefix(step, "<"); ok {
			opts.Steps = append(opts.Steps, Step{File: file})
		} else if step != "" {
			opts.Steps = append(opts.Steps, Step{Line: step})
		}
	}
	s.r = New(opts)
	err = s.r.Run(context.Background(), s)
	s.r.Close()
	switch {
	case errors.Is(err, ErrFailed):
		return 1
	case errors.As(err, new(*debugger.RerunError)):
		return 2
	case err != nil:
		fmt.Println("ended:", err)
		return 3
	}
	return 0
}

func (s *stage) AtFrontier() bool { return true }

func (s *stage) Complete(_ context.Context, line string) []string {
	var out []string
	for _, c := range []string{"echo hello", "echo help"} {
		if strings.HasPrefix(c, line) {
			out = append(out, c)
		}
	}
	return out
}

func (s *stage) ExecuteBlock(_ context.Context, lines []string) error {
	s.r.Print("block: " + strings.Join(lines, "|") + "\n")
	return nil
}

func (s *stage) ExecuteText(ctx context.Context, name, text string) error {
	for line := range strings.Lines(text) {
		if err := s.Execute(ctx, strings.TrimSpace(line)); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) Execute(ctx context.Context, line string) error {
	word, args, _ := strings.Cut(line, " ")
	switch word {
	case "":
	case "echo":
		s.r.Print(args + "\n")
	case "fail":
		return errors.New("it failed")
	case "quit":
		return debugger.ErrQuit
	case "run":
		return &debugger.RerunError{}
	case "ask":
		s.r.Print(fmt.Sprintf("answer %v\n", s.r.Confirm("Really?")))
	case "width":
		s.r.Print(fmt.Sprintf("width %d\n", s.r.Width()))
	case "shell":
		return s.r.Shell(ctx, args)
	case "wait": // until interrupted
		s.r.Print("waiting\n")
		<-ctx.Done()
		return debugger.ErrInterrupted
	case "work": // long enough for a line of progress
		for i := range 12 {
			time.Sleep(100 * time.Millisecond)
			s.r.Progress("working", float64(i)/12)
		}
		s.r.Print("worked\n")
	case "output": // the program writes, then gdb prints a stop
		s.r.Running(true)
		for i := range 200 {
			fmt.Fprintf(s.slave, "%s %d\n", args, i)
		}
		s.r.Running(false)
		s.r.Print("stopped\n")
	case "program": // reads lines of its terminal until one is "end"
		s.r.Running(true)
		in := make(chan string)
		go func() {
			br := bufio.NewReader(s.slave)
			for {
				l, err := br.ReadString('\n')
				if err != nil {
					return
				}
				in <- l
				if l == "end\n" {
					return
				}
			}
		}()
		fmt.Fprintln(s.slave, "program reads")
		for {
			select {
			case l := <-in:
				size, _ := pty.GetsizeFull(s.slave)
				fmt.Fprintf(s.slave, "program got %q, %d columns\n", l, size.Cols)
				if l != "end\n" {
					continue
				}
			case <-ctx.Done():
				s.r.Print("interrupted\n")
			}
			s.r.Running(false)
			s.r.Print("program over\n")
			return nil
		}
	default:
		return fmt.Errorf("no command %q", line)
	}
	return nil
}

// child is a prompt in another process on a terminal, or with a pipe.
type child struct {
	t    *testing.T
	cmd  *exec.Cmd
	tty  *os.File
	text chan string
	seen string
}

func command(env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), append([]string{"REPL_TEST_STAGE=1", "TERM=xterm"}, env...)...)
	return cmd
}

func onTerminal(t *testing.T, env ...string) *child {
	t.Helper()
	cmd := command(env...)
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 97})
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: cmd, tty: tty, text: make(chan string, 1000)}
	go func() {
		defer close(c.text)
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			if n > 0 {
				c.text <- string(buf[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		tty.Close()
	})
	return c
}

// expect waits for a text and returns what came before it.
func (c *child) expect(want string) string {
	c.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		if i := strings.Index(c.seen, want); i >= 0 {
			before := c.seen[:i]
			c.seen = c.seen[i+len(want):]
			return before
		}
		select {
		case s, ok := <-c.text:
			if !ok {
				c.t.Fatalf("ended without %q; seen %q", want, c.seen)
			}
			c.seen += s
		case <-deadline:
			c.t.Fatalf("%q does not come; seen %q", want, c.seen)
		}
	}
}

func (c *child) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.tty, s); err != nil {
		c.t.Fatal(err)
	}
}

func (c *child) wait() int {
	c.t.Helper()
	done := make(chan struct{})
	go func() {
		c.cmd.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		c.t.Fatalf("does not end; seen %q", c.seen)
	}
	return c.cmd.ProcessState.ExitCode()
}

// raw reports whether the terminal passes keys on as they are.
func (c *child) raw() bool {
	c.t.Helper()
	tio, err := unix.IoctlGetTermios(int(c.tty.Fd()), unix.TCGETS)
	if err != nil {
		c.t.Fatal(err)
	}
	return tio.Lflag&(unix.ICANON|unix.ISIG) == 0
}

const prompt = "(yore) "

func TestConverse(t *testing.T) {
	c := onTerminal(t)
	c.expect(prompt)
	c.send("echo one\r")
	c.expect("\r\none\r\n")
	c.expect(prompt)
	c.send("\r") // repeats
	c.expect("\r\none\r\n")
	c.expect(prompt)
	c.send("fail\r")
	c.expect("it failed")
	c.expect(prompt)
	c.send("commands\r")
	c.expect(">")
	c.send("if 1\r")
	c.expect(" >")
	c.send("end\r")
	c.expect(">")
	c.send("end\r")
	c.expect("block: commands|if 1|end|end\r\n")
	c.expect(prompt)
	c.send("echo hel\t")
	c.expect("echo hel")
	c.send("lo\r")
	c.expect("\r\nhello\r\n")
	c.expect(prompt)
	c.send("echo dropped")
	c.expect("echo dropped")
	c.send("\x03")
	c.expect("^C")
	c.expect(prompt)
	c.send("width\r")
	c.expect("width 97")
	c.expect(prompt)
	c.send("ask\r")
	c.expect("Really? (y or n) ")
	c.send("maybe\r")
	c.expect("Please answer")
	c.expect("Really? (y or n) ")
	c.send("n\r")
	c.expect("answer false")
	c.expect(prompt)
	c.send("shell echo from the shell; stty -a | grep -o '[-]*icanon'\r")
	c.expect("from the shell\r\nicanon")
	c.expect(prompt)
	c.send("\x04") // ^D quits
	c.expect("quit")
	if code := c.wait(); code != 0 {
		t.Errorf("status %d", code)
	}
}

func TestInterrupt(t *testing.T) {
	c := onTerminal(t)
	c.expect(prompt)
	c.send("wait\r")
	c.expect("waiting\r\n")
	c.send("\x03")
	c.expect("interrupted")
	c.expect(prompt)
	c.send("quit\r")
	if code := c.wait(); code != 0 {
		t.Errorf("status %d", code)
	}
}

func TestProgress(t *testing.T) {
	c := onTerminal(t)
	c.expect(prompt)
	c.send("work\r")
	c.expect("\r\x1b[Kworking … ")
	c.expect("\r\x1b[Kworked")
	c.expect(prompt)
	out, err := command("REPL_TEST_BATCH=1", "REPL_TEST_STEPS=work").CombinedOutput()
	if err != nil || string(out) != "worked\n" {
		t.Errorf("without a terminal: %q, %v", out, err)
	}
}

// TestProgramInput: while the program runs, the keyboard is its own.
func TestProgramInput(t *testing.T) {
	c := onTerminal(t)
	c.expect(prompt)
	c.send("program\r")
	c.expect("program reads\r\n")
	for deadline := time.Now().Add(10 * time.Second); !c.raw(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the terminal does not become the program's")
		}
	}
	c.send("first\r")
	c.expect("first\r\nprogram got \"first\\n\", 97 columns\r\n") // echoed once, by the program's terminal
	c.send("end\r")
	before := c.expect("program over\r\n")
	if before != "end\r\nprogram got \"end\\n\", 97 columns\r\n" {
		t.Errorf("before the end: %q", before)
	}
	c.expect(prompt)
	c.send("echo back\r")
	c.expect("\r\nback\r\n")
	c.expect(prompt)
	// ^C is for us.
	c.send("program\r")
	c.expect("program reads\r\n")
	for !c.raw() {
		time.Sleep(time.Millisecond)
	}
	c.send("half a line\x03")
	c.expect("interrupted\r\n")
	c.expect("program over\r\n")
	c.expect(prompt)
	c.send("quit\r")
	if code := c.wait(); code != 0 {
		t.Errorf("status %d", code)
	}
}

// TestOrder: what the program wrote before it stopped is printed before the
// stop, all of it, once.
func TestOrder(t *testing.T) {
	var want strings.Builder
	for _, who := range []string{"a", "b", "c"} {
		for i := range 200 {
			fmt.Fprintf(&want, "%s %d\n", who, i)
		}
		want.WriteString("stopped\n")
	}
	for range 5 {
		out, err := command("REPL_TEST_BATCH=1", "REPL_TEST_STEPS=output a;output b;output c").Output()
		if err != nil || string(out) != want.String() {
			t.Fatalf("%v:\n%s", err, out)
		}
	}
}

func TestBatch(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "script")
	if err := os.WriteFile(file, []byte("echo in a file\nfail\necho not reached\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		steps, stdout, stderr string
		status                int
	}{
		{"echo 1;echo 2", "1\n2\n", "", 0},
		{"echo 1;fail;echo 2", "1\n", "it failed\n", 1},
		{"echo 1;quit;echo 2", "1\n", "", 0},
		{"run", "", "", 2},
		{"<" + file + ";echo 2", "in a file\n", "it failed\n", 1},
		{"</no/such/file", "", "open /no/such/file: no such file or directory\n", 1},
	} {
		cmd := command("REPL_TEST_BATCH=1", "REPL_TEST_STEPS="+c.steps)
		cmd.Stdin = strings.NewReader("echo from stdin\n")
		var stdout, stderr strings.Builder
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		cmd.Run()
		if stdout.String() != c.stdout || stderr.String() != c.stderr || cmd.ProcessState.ExitCode() != c.status {
			t.Errorf("%s: %q, %q, status %d", c.steps, stdout.String(), stderr.String(), cmd.ProcessState.ExitCode())
		}
	}
}

func TestScript(t *testing.T) {
	cmd := command("REPL_TEST_STEPS=fail;echo first")
	cmd.Stdin = strings.NewReader("echo 1\n\nfail\necho 2\ndefine f\necho x\nend\nask\nquit\necho 3\n")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
	if got := stdout.String(); got != "first\n1\n2\nblock: define f|echo x|end\nanswer true\n" {
		t.Errorf("%q", got)
	}
	if got := stderr.String(); got != "it failed\nit failed\n" {
		t.Errorf("%q", got)
	}
	cmd = command()
	cmd.Stdin = strings.NewReader("define f\necho x\n")
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "define f has no `end`\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// TestScriptInterrupted: ^C ends the command and the script.
func TestScriptInterrupted(t *testing.T) {
	cmd := command()
	cmd.Stdin = strings.NewReader("wait\necho 2\n")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(out)
	if l, err := br.ReadString('\n'); l != "waiting\n" {
		t.Fatalf("%q, %v", l, err)
	}
	cmd.Process.Signal(syscall.SIGINT)
	rest, _ := io.ReadAll(br)
	cmd.Wait()
	if string(rest) != "ended: interrupted\n" || cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("%q, %v", rest, cmd.ProcessState)
	}
}

func TestHistory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state", "yore", "history")
	c := onTerminal(t, "REPL_TEST_HISTORY="+file)
	c.expect(prompt)
	c.send("echo remembered\r")
	c.expect("\r\nremembered\r\n")
	c.expect(prompt)
	c.send("quit\r")
	c.wait()
	c = onTerminal(t, "REPL_TEST_HISTORY="+file)
	c.expect(prompt)
	c.send("\x1b[A\x1b[A\r") // two up: past the quit
	c.expect("\r\nremembered\r\n")
	c.expect(prompt)
	c.cmd.Process.Kill()
	c.wait()
	text, err := os.ReadFile(file)
	if err != nil || string(text) != "echo remembered\nquit\necho remembered\n" {
		t.Errorf("%q, %v", text, err)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	// A long history is cut.
	if err := os.WriteFile(file, []byte(strings.Repeat("line\n", 3*maxHistory)), 0o600); err != nil {
		t.Fatal(err)
	}
	if lines, err := readHistory(file); err != nil || len(lines) != maxHistory {
		t.Errorf("%d lines, %v", len(lines), err)
	}
	if lines, err := readHistory(file); err != nil || len(lines) != maxHistory {
		t.Errorf("%d lines again, %v", len(lines), err)
	}
}

func TestDefaultHistory(t *testing.T) {
	for _, c := range []struct{ state, home, want string }{
		{"/s", "/h", "/s/yore/history"},
		{"", "/h", "/h/.local/state/yore/history"},
		{"relative", "/h", "/h/.local/state/yore/history"},
		{"", "", ""},
	} {
		got := DefaultHistory(func(k string) string {
			return map[string]string{"XDG_STATE_HOME": c.state, "HOME": c.home}[k]
		})
		if got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func TestCooked(t *testing.T) {
	p := &program{r: &REPL{raw: true}, cook: true}
	got := ""
	for _, s := range []string{"a\r\nb", "\r", "\nc\rd\r", "x\r\n"} {
		got += string(p.cooked([]byte(s)))
	}
	if got != "a\nb\nc\rd\rx\n" {
		t.Errorf("%q", got)
	}
	p.cook = false // a raw terminal gets all as it is, what was held back too
	p.cooked([]byte("z"))
	p.held = true
	if got := string(p.cooked([]byte("a\r\n"))); got != "\ra\r\n" {
		t.Errorf("%q", got)
	}
	if got := string(p.cooked([]byte("a\r\n"))); got != "a\r\n" {
		t.Errorf("%q", got)
	}
}

func TestProgressText(t *testing.T) {
	if got := progressText("replay", 0.375, 1500*time.Millisecond); got != "replay … 37%, 1.5 s" {
		t.Error(got)
	}
	if got := progressText("replay", -1, time.Second); got != "replay … 1.0 s" {
		t.Error(got)
	}
	if got := progressText("replay", 7, time.Second); got != "replay … 100%, 1.0 s" {
		t.Error(got)
	}
}
