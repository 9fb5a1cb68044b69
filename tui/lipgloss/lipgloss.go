// Package lipgloss stands in for the module of that name, which Bubble Tea
// imports for one thing only: to ask the terminal for its background when the
// program is initialised, whatever the program is about to do. yore must not
// write to or read from a terminal that belongs to the program being recorded,
// to a pipe's reader or to a shell, so here nothing is asked. Package tui asks
// for itself when it takes the terminal.
package lipgloss

// HasDarkBackground is the one function that Bubble Tea calls.
func HasDarkBackground() bool { return true }
