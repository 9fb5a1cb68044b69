package gdbmi

// Record is one line from gdb: a Result, an Async, a Stream or a Prompt.
// String gives it back as MI text, without the newline.
type Record interface {
	String() string
	record()
}

// Result answers the command whose token it carries.
type Result struct {
	Token  string // digits, "" when the command had none
	Class  string // done, running, connected, error, exit
	Fields Tuple
}

// AsyncKind says what an Async is about, by the character gdb marks it with.
type AsyncKind byte

const (
	Exec   AsyncKind = '*' // the program ran or stopped
	Status AsyncKind = '+' // progress of a slow operation
	Notify AsyncKind = '=' // something else changed: breakpoints, threads, libraries
)

// Async is something that happened, whether a command asked for it or not.
type Async struct {
	Token  string
	Kind   AsyncKind
	Class  string // stopped, running, breakpoint-created …
	Fields Tuple
}

// StreamKind says where text comes from, by the character gdb marks it with.
type StreamKind byte

const (
	Console StreamKind = '~' // answers of console commands
	Target  StreamKind = '@' // the program, through the target
	Log     StreamKind = '&' // gdb's errors and warnings
	// Raw is not MI: what gdb's children, its libraries or its standard error wrote.
	Raw StreamKind = 0
)

// Stream is text for a person.
type Stream struct {
	Kind StreamKind
	Text string
}

// Prompt is gdb's "(gdb)" line.
type Prompt struct{}

func (Result) record() {}
func (Async) record()  {}
func (Stream) record() {}
func (Prompt) record() {}

func (r Result) String() string {
	return string(appendRecord([]byte(r.Token), '^', r.Class, r.Fields))
}

func (a Async) String() string {
	return string(appendRecord([]byte(a.Token), byte(a.Kind), a.Class, a.Fields))
}

func (s Stream) String() string {
	if s.Kind == Raw {
		return s.Text
	}
	return string(appendQuoted([]byte{byte(s.Kind)}, s.Text))
}

func (Prompt) String() string { return "(gdb) " }

func appendRecord(b []byte, mark byte, class string, fields Tuple) []byte {
	b = append(b, mark)
	b = append(b, class...)
	if len(fields) > 0 {
		b = append(b, ',')
		b = appendFields(b, fields)
	}
	return b
}
