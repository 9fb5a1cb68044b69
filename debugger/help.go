package debugger

import (
	"context"
	"fmt"
	"strings"
)

const helpHead = `Forwards: run start continue next step finish stepi nexti until advance
Backwards: reverse-continue (rc) reverse-step (rs) reverse-next (rn) reverse-finish (rf)
           reverse-stepi (rsi) reverse-nexti (rni), each with a count

`

const helpTail = `
Everything else is the backend's: break watch print backtrace info list display x …
An empty line repeats the last command. ^C stops the program, and a backward command on its way.
"help NAME" explains a command, "help all" lists the backend's.
`

func (d *Debugger) help(ctx context.Context, topic string) error {
	if topic == "" {
		var b strings.Builder
		b.WriteString(helpHead)
		for _, c := range commands {
			fmt.Fprintf(&b, "%-22s %s\n", strings.TrimSpace(c.name+" "+c.args), c.short)
		}
		b.WriteString(helpTail)
		d.print(b.String())
		return nil
	}
	cmd, rest, err := d.find(ctx, topic)
	if err != nil {
		return err
	}
	if cmd == nil || rest != "" {
		return d.back.Help(ctx, topic)
	}
	d.print(strings.Join(append([]string{cmd.name}, cmd.aliases...), ", ") + "\n" + cmd.short + ".\n")
	if cmd.args != "" {
		d.printf("Usage: %s %s\n", cmd.name, cmd.args)
	}
	if cmd.long != "" {
		d.print(cmd.long + "\n")
	}
	return nil
}
