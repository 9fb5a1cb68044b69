package gdbmi

// The grammar, as gdb 13 writes it (more generous than its manual):
//
//	line   = [token] '^' class fields  |  [token] ('*'|'+'|'=') class fields
//	       | ('~'|'@'|'&') string      |  "(gdb)" [' ']
//	fields = { ',' field }
//	field  = [name '='] value
//	value  = string | '{' [field {',' field}] '}' | '[' [field {',' field}] ']'
//
// Names may be missing anywhere, and repeat. Strings are C strings whose
// escapes are letters, octal (one to three digits) or the character itself.

import "fmt"

// maxDepth bounds the nesting of values, so that foreign bytes cannot exhaust
// the stack. gdb nests a handful.
const maxDepth = 200

// A SyntaxError says where a line stops being MI.
type SyntaxError struct {
	Offset int // in bytes, from the line's start
	Want   string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("mi syntax at byte %d: want %s", e.Offset, e.Want)
}

// Parse reads one line from gdb, with or without its newline. An error is a
// *SyntaxError: the line is not MI.
func Parse(line string) (Record, error) {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	if line == "(gdb) " || line == "(gdb)" {
		return Prompt{}, nil
	}
	p := &parser{s: line}
	rec, err := p.record()
	if err != nil {
		return nil, err
	}
	if p.i != len(p.s) {
		return nil, p.want("end of line")
	}
	return rec, nil
}

// parser is a position in a line.
type parser struct {
	s     string
	i     int
	depth int
}

func (p *parser) want(what string) error { return &SyntaxError{Offset: p.i, Want: what} }

// peek returns the next byte, 0 at the end (a NUL in the line is an error wherever it is not in a string).
func (p *parser) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

func (p *parser) take(c byte) bool {
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *parser) record() (Record, error) {
	start := p.i
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.i++
	}
	token := p.s[start:p.i]
	mark := p.peek()
	switch mark {
	case '^', '*', '+', '=':
	case '~', '@', '&':
		if token != "" {
			return nil, p.want("a result or async record after the token")
		}
		p.i++
		text, err := p.string()
		if err != nil {
			return nil, err
		}
		return Stream{Kind: StreamKind(mark), Text: text}, nil
	default:
		return nil, p.want("one of ^ * + = ~ @ &")
	}
	p.i++
	class := p.name()
	if class == "" {
		return nil, p.want("a class")
	}
	var fields Tuple
	for p.take(',') {
		f, err := p.field()
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	if mark == '^' {
		return Result{Token: token, Class: class, Fields: fields}, nil
	}
	return Async{Token: token, Kind: AsyncKind(mark), Class: class, Fields: fields}, nil
}

// name reads a class or a field's name, "" when there is none.
func (p *parser) name() string {
	start := p.i
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
			p.i++
		default:
			return p.s[start:p.i]
		}
	}
	return p.s[start:p.i]
}

func (p *parser) field() (Field, error) {
	name := p.name()
	if name != "" && !p.take('=') {
		return Field{}, p.want("= after a name")
	}
	v, err := p.value()
	return Field{Name: name, Value: v}, err
}

func (p *parser) value() (Value, error) {
	switch p.peek() {
	case '"':
		s, err := p.string()
		return Const(s), err
	case '{':
		fields, err := p.fields('}')
		return Tuple(fields), err
	case '[':
		fields, err := p.fields(']')
		return List(fields), err
	}
	return nil, p.want("a value")
}

// fields reads an opening bracket, fields and the closing bracket.
func (p *parser) fields(closing byte) ([]Field, error) {
	p.i++
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return nil, p.want("less nesting")
	}
	var out []Field
	if p.take(closing) {
		return out, nil
	}
	for {
		f, err := p.field()
		if err != nil {
			return nil, err
		}
		out = append(out, f)
		if p.take(closing) {
			return out, nil
		}
		if !p.take(',') {
			return nil, p.want(", or " + string(closing))
		}
	}
}

func (p *parser) string() (string, error) {
	if !p.take('"') {
		return "", p.want("a string")
	}
	start := p.i
	for p.i < len(p.s) && p.s[p.i] != '"' && p.s[p.i] != '\\' {
		p.i++
	}
	if p.take('"') { // nothing to unescape: share the line's memory
		return p.s[start : p.i-1], nil
	}
	out := []byte(p.s[start:p.i])
	for p.i < len(p.s) {
		c := p.s[p.i]
		p.i++
		switch c {
		case '"':
			return string(out), nil
		case '\\':
			b, err := p.escape()
			if err != nil {
				return "", err
			}
			out = append(out, b)
		default:
			out = append(out, c)
		}
	}
	return "", p.want("closing quote")
}

// escape reads what follows a backslash.
func (p *parser) escape() (byte, error) {
	c := p.peek()
	if c >= '0' && c <= '7' {
		n := 0
		for k := 0; k < 3 && p.peek() >= '0' && p.peek() <= '7'; k++ {
			n = n*8 + int(p.s[p.i]-'0')
			p.i++
		}
		if n > 0xff {
			return 0, p.want("an octal escape below \\400")
		}
		return byte(n), nil
	}
	if b, ok := escapes[c]; ok {
		p.i++
		return b, nil
	}
	return 0, p.want("an escape")
}
