package main

import (
	"strings"

	"github.com/spf13/pflag"
)

// normalise rewrites gdb's single-dash spellings of long flags (-ex CMD,
// -batch, -x=FILE) in the arguments of a command to the double-dash ones, as
// far as yore's own flags go: it stops at "--" and at the first word that is
// not a flag, which is where PROG and its arguments begin.
//
// A word of a single dash is rewritten only when it is exactly the name of one
// of the command's long flags, of more than one letter; -qv stays -q -v.
func normalise(args []string, flags *pflag.FlagSet) []string {
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		a := args[i]
		if len(a) < 2 || a[0] != '-' || a == "--" {
			return append(out, args[i:]...)
		}
		name, value, hasValue := strings.Cut(strings.TrimLeft(a, "-"), "=")
		f := flags.Lookup(name)
		if f == nil && len(name) == 1 {
			f = flags.ShorthandLookup(name)
		}
		if f != nil && len(f.Name) == len(name) && len(name) > 1 {
			a = "--" + name
			if hasValue {
				a += "=" + value
			}
		}
		out = append(out, a)
		if takesNext(flags, f, a, hasValue) && i+1 < len(args) {
			i++
			out = append(out, args[i])
		}
	}
	return out
}

// takesNext reports whether the flag in a takes the following word as its value.
func takesNext(flags *pflag.FlagSet, f *pflag.Flag, a string, hasValue bool) bool {
	if hasValue {
		return false
	}
	if f != nil {
		return f.NoOptDefVal == ""
	}
	if strings.HasPrefix(a, "--") {
		return false
	}
	// A group of one-letter flags: the first that takes a value takes the rest
	// of the word, or the next word when it is the last letter.
	for j, r := range a[1:] {
		g := flags.ShorthandLookup(string(r))
		if g == nil {
			return false
		}
		if g.NoOptDefVal == "" {
			return j == len(a)-2
		}
	}
	return false
}
