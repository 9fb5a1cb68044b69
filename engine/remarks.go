package engine

import "fmt"

// remarks are what else is to be said of a program's history, such as what makes it
// unreliable: at once, and with the recording that is made of it. They belong to the
// tracing OS thread.
type remarks struct {
	list   []string
	say    func(string) // may be nil
	shared bool         // it has been said that memory is shared
}

func (r *remarks) add(s string) {
	r.list = append(r.list, s)
	if r.say != nil {
		r.say(s)
	}
}

// sharing notes, once, that before event n child process pid got too much memory, of
// size bytes, that it shares with the program.
func (r *remarks) sharing(n int64, pid int, size uint64) {
	if r.shared {
		return
	}
	r.shared = true
	r.add(fmt.Sprintf("unreliable from event %d on: the program shares %d MB of memory with child process %d, whose changes to it are not recorded",
		n, size>>20, pid))
}
