package gdbmi

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, line string
		want       Record
	}{
		{"prompt", "(gdb) \n", Prompt{}},
		{"prompt without blank", "(gdb)", Prompt{}},
		{"bare result", "^done", Result{Class: "done"}},
		{"carriage return", "12^running\r\n", Result{Token: "12", Class: "running"}},
		{"long token", "123456789012345678901234567890^done", Result{Token: "123456789012345678901234567890", Class: "done"}},
		{"constant", `5^done,value="-1"`, Result{Token: "5", Class: "done", Fields: Tuple{{"value", Const("-1")}}}},
		{"empty string", `^done,value=""`, Result{Class: "done", Fields: Tuple{{"value", Const("")}}}},
		{"error", `7^error,msg="Undefined command: \"nosuch\".  Try \"help\".",code="undefined-command"`,
			Result{Token: "7", Class: "error", Fields: Tuple{
				{"msg", Const(`Undefined command: "nosuch".  Try "help".`)}, {"code", Const("undefined-command")}}}},
		{"stopped without fields", "*stopped", Async{Kind: Exec, Class: "stopped"}},
		{"async with a token", `3*running,thread-id="all"`, Async{Token: "3", Kind: Exec, Class: "running", Fields: Tuple{{"thread-id", Const("all")}}}},
		{"status with a nameless tuple", `+download,{section=".text",section-size="6668"}`,
			Async{Kind: Status, Class: "download", Fields: Tuple{{"", Tuple{{"section", Const(".text")}, {"section-size", Const("6668")}}}}}},
		{"repeated names keep their order", `^done,stack=[frame={level="0"},frame={level="1"}]`,
			Result{Class: "done", Fields: Tuple{{"stack", List{
				{"frame", Tuple{{"level", Const("0")}}}, {"frame", Tuple{{"level", Const("1")}}}}}}}},
		{"locations as mi3 writes them", `=breakpoint-created,bkpt={number="2",addr="<MULTIPLE>",locations=[{number="2.1",func="f(int)"},{number="2.2",func="f(double)"}]}`,
			Async{Kind: Notify, Class: "breakpoint-created", Fields: Tuple{{"bkpt", Tuple{
				{"number", Const("2")}, {"addr", Const("<MULTIPLE>")}, {"locations", List{
					{"", Tuple{{"number", Const("2.1")}, {"func", Const("f(int)")}}},
					{"", Tuple{{"number", Const("2.2")}, {"func", Const("f(double)")}}}}}}}}}},
		{"locations as mi2 writes them", `^done,bkpt={number="2"},{number="2.1"},{number="2.2"}`,
			Result{Class: "done", Fields: Tuple{{"bkpt", Tuple{{"number", Const("2")}}},
				{"", Tuple{{"number", Const("2.1")}}}, {"", Tuple{{"number", Const("2.2")}}}}}},
		{"strings in a tuple", `^done,script={"silent","print x"}`,
			Result{Class: "done", Fields: Tuple{{"script", Tuple{{"", Const("silent")}, {"", Const("print x")}}}}}},
		{"empty values", `^done,a={},b=[],c=[{}]`,
			Result{Class: "done", Fields: Tuple{{"a", Tuple(nil)}, {"b", List(nil)}, {"c", List{{"", Tuple(nil)}}}}}},
		{"console", `~"4\tint f(int x){\n"`, Stream{Kind: Console, Text: "4\tint f(int x){\n"}},
		{"target", `@"hi"`, Stream{Kind: Target, Text: "hi"}},
		{"log", `&"warning: \"x\"\n"`, Stream{Kind: Log, Text: "warning: \"x\"\n"}},
		{"octal", `~"\303\244\0\7\12x\377"`, Stream{Kind: Console, Text: "ä\x00\a\nx\xff"}},
		{"letters", `~"\a\b\t\n\v\f\r\e\"\\\'"`, Stream{Kind: Console, Text: "\a\b\t\n\v\f\r\x1b\"\\'"}},
		{"bytes as they are", "~\"\xffä\"", Stream{Kind: Console, Text: "\xffä"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Parse(c.line)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Fatalf("-want +got:\n%s", d)
			}
			again, err := Parse(got.String())
			if err != nil {
				t.Fatalf("%s: %v", got.String(), err)
			}
			if d := cmp.Diff(got, again); d != "" {
				t.Fatalf("not the same after String, -want +got:\n%s", d)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		name, line string
		offset     int
	}{
		{"empty", "", 0},
		{"text", "hello", 0},
		{"token alone", "12", 2},
		{"token before a stream", `1~"x"`, 1},
		{"no class", "^,a=\"1\"", 1},
		{"garbage after the record", "^done x", 5},
		{"name without value", "^done,a", 7},
		{"comma at the end", "^done,", 6},
		{"unclosed string", `^done,a="x`, 10},
		{"unclosed string after an escape", `~"x\n`, 5},
		{"backslash at the end", `~"x\`, 4},
		{"unknown escape", `~"\q"`, 3},
		{"octal above a byte", `~"\777"`, 6},
		{"unclosed tuple", `^done,a={b="1"`, 14},
		{"mismatched bracket", `^done,a={b="1"]`, 14},
		{"comma before a bracket", `^done,a=[b="1",]`, 15},
		{"too deep", "^done,a=" + strings.Repeat("[", 300), 8 + maxDepth + 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec, err := Parse(c.line)
			var se *SyntaxError
			if !errors.As(err, &se) {
				t.Fatalf("got %v, %v, want a SyntaxError", rec, err)
			}
			if se.Offset != c.offset {
				t.Fatalf("%v, want it at byte %d", se, c.offset)
			}
		})
	}
}

// corpus returns the lines of testdata/*.mi, which real gdbs wrote.
func corpus(t testing.TB) []string {
	files, err := filepath.Glob("testdata/*.mi")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	var lines []string
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for sc := bufio.NewScanner(f); sc.Scan(); {
			lines = append(lines, sc.Text())
		}
	}
	return lines
}

func TestParseCorpus(t *testing.T) {
	kinds := map[string]int{}
	for _, line := range corpus(t) {
		rec, err := Parse(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		switch r := rec.(type) {
		case Result:
			kinds["^"+r.Class]++
		case Async:
			kinds[string(r.Kind)+r.Class]++
		case Stream:
			kinds[string(r.Kind)]++
		}
	}
	for _, k := range []string{"^done", "^running", "^connected", "^error", "^exit", "*stopped", "*running", "=breakpoint-created", "~", "&"} {
		if kinds[k] == 0 {
			t.Errorf("the corpus has no %s", k)
		}
	}
}

// FuzzParse: no line makes Parse panic, and what it accepts survives a trip
// through String unchanged.
func FuzzParse(f *testing.F) {
	for _, line := range corpus(f) {
		f.Add(line)
	}
	f.Add(`~"\303\244\e\'\0"`)
	f.Fuzz(func(t *testing.T, line string) {
		rec, err := Parse(line)
		if err != nil {
			return
		}
		again, err := Parse(rec.String())
		if err != nil {
			t.Fatalf("%q: %v", rec.String(), err)
		}
		if d := cmp.Diff(rec, again); d != "" {
			t.Fatalf("not the same after String:\n%s", d)
		}
	})
}
