package gdbserver

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// asking is a target whose one verb asks gdb.
type asking struct {
	*plain
	ended chan error
}

func (a asking) MonitorTo(ctx context.Context, cmd string, out io.Writer) (err error) {
	defer func() { a.ended <- err }()
	gdb, can := AskerFrom(ctx)
	if !can {
		return errors.New("nobody to ask")
	}
	fmt.Fprintf(out, "about to ask\n")
	if err := gdb.Arrive(ctx); err != nil {
		return fmt.Errorf("arrive: %w", err)
	}
	v, err := gdb.Evaluate(ctx, cmd)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "it is %s", v)
	return nil
}

func (p *peer) tagged(cmd string) string {
	p.t.Helper()
	text, err := hex.DecodeString(p.ask("qRcmd," + hexOf("@"+cmd)))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

func (p *peer) expect(cmd, want string) {
	p.t.Helper()
	if got := p.tagged(cmd); got != want {
		p.t.Errorf("%q: got %q, want %q", cmd, got, want)
	}
}

func TestFlow(t *testing.T) {
	target := asking{newPlain(), make(chan error, 4)}
	p := dial(t, target, Options{}, gdbFeatures)
	p.expect("1 x + 1", "about to ask\n@1/1 ask arrive \n")
	if got := p.ask("vCont;s"); !strings.HasPrefix(got, "T05") {
		t.Errorf("a motion in the middle: %q", got)
	}
	p.expect("2 answer ok ", "@2/2 ask eval "+hexOf("x + 1")+"\n")
	p.expect("3 answer ok "+hexOf("42"), "it is 42\n@3/3 ok\n")
	if err := <-target.ended; err != nil {
		t.Error(err)
	}
	// gdb's own reason for an answer that there is not
	p.expect("4 y", "about to ask\n@4/4 ask arrive \n")
	p.expect("5 answer ok ", "@5/5 ask eval "+hexOf("y")+"\n")
	p.expect("6 answer error "+hexOf("No symbol \"y\""), "@6/6 error No symbol \"y\"\n")
	<-target.ended
	// typed by hand nobody answers
	if got := p.ask("qRcmd," + hexOf("z")); got != "O"+hexOf("error: nobody to ask\n") {
		t.Errorf("got %q", got)
	}
	if got := p.answer(); got != "E01" {
		t.Errorf("got %q", got)
	}
	<-target.ended
}

// What makes gdb give up a flow ends it: another command, ^C during a motion
// that it asked for, the end of the connection.
func TestFlowAbandoned(t *testing.T) {
	target := asking{newPlain(), make(chan error, 4)}
	p := dial(t, target, Options{}, gdbFeatures)
	ended := func(what string) {
		t.Helper()
		if err := <-target.ended; !errors.Is(err, errAbandoned) && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
	p.expect("1 x", "about to ask\n@1/1 ask arrive \n")
	p.expect("2 abandon", "@2/2 ok\n")
	ended("abandon")

	p.expect("3 x", "about to ask\n@3/3 ask arrive \n")
	p.expect("4 y", "about to ask\n@4/4 ask arrive \n")
	ended("another verb")
	p.ask("qRcmd," + hexOf("z")) // by hand
	ended("a plain command")
	p.answer()
	<-target.ended

	p.expect("5 x", "about to ask\n@5/5 ask arrive \n")
	p.raw("\x03")
	if got := p.ask("vCont;s"); !strings.HasPrefix(got, "T02") {
		t.Errorf("got %q", got)
	}
	p.expect("6 answer ok ", "@6/6 error arrive: interrupted\n")
	ended("^C")

	p.expect("7 x", "about to ask\n@7/7 ask arrive \n")
	p.conn.Close()
	if err := <-p.done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	p.done <- nil
	ended("hang up")
}
