package debugger

import "strings"

// Block collects the lines of a command that goes on until its `end`:
// commands, define, document, python, guile, if, while. It is pure.
type Block struct {
	lines []string
	open  []string // commands not yet ended, outermost first
}

// NewBlock starts a block with a command line; nil when the command is complete
// in that line.
func NewBlock(line string) *Block {
	kind := opens(line)
	if kind == "" {
		return nil
	}
	return &Block{lines: []string{line}, open: []string{kind}}
}

// Add takes the next line and reports whether the block is complete.
func (b *Block) Add(line string) bool {
	b.lines = append(b.lines, line)
	word := strings.TrimSpace(line)
	inner := b.open[len(b.open)-1]
	switch {
	case word == "end":
		b.open = b.open[:len(b.open)-1]
	case inner == "python" || inner == "guile" || inner == "document":
		// Not commands: only `end` means something.
	default:
		if kind := opens(line); kind != "" {
			b.open = append(b.open, kind)
		}
	}
	return len(b.open) == 0
}

// Lines returns the lines so far, the first one included.
func (b *Block) Lines() []string { return b.lines }

// Depth is how many commands wait for their `end`.
func (b *Block) Depth() int { return len(b.open) }

// opens returns which command that needs an `end` the line begins, "" for none.
func opens(line string) string {
	word, args := cutWord(line)
	switch {
	case word == "python" || word == "py":
		if args == "" {
			return "python"
		}
	case word == "guile" || word == "gu":
		if args == "" {
			return "guile"
		}
	case len(word) >= len("comma") && strings.HasPrefix("commands", word):
		return "commands"
	case word == "define" || word == "document":
		if args != "" {
			return word
		}
	case word == "if" || word == "while":
		if args != "" {
			return word
		}
	}
	return ""
}

// cutWord splits a line into its first word, a run of letters, digits and
// -_.!|, and the rest, both without blanks around. A word ends where gdb ends
// it: `x/4x`, `p(1)` and `p*q` are words with arguments.
func cutWord(line string) (word, rest string) {
	line = strings.TrimSpace(line)
	if line != "" && strings.ContainsRune("!|", rune(line[0])) {
		return line[:1], strings.TrimSpace(line[1:])
	}
	i := 0
	for i < len(line) && (line[i] == '-' || line[i] == '_' || line[i] == '.' ||
		'0' <= line[i] && line[i] <= '9' || 'a' <= line[i] && line[i] <= 'z' || 'A' <= line[i] && line[i] <= 'Z') {
		i++
	}
	return line[:i], strings.TrimSpace(line[i:])
}
