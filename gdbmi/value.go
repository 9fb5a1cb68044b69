package gdbmi

// Value is a Const, a Tuple or a List.
type Value interface {
	// append adds the value to b as MI text.
	append(b []byte) []byte
}

// Const is a string, with its escapes already resolved. It may hold any bytes.
type Const string

// Field is an element of a tuple, a list or a record. Name is empty when gdb
// gave none.
type Field struct {
	Name  string
	Value Value
}

// Tuple is what gdb writes in braces, and the fields of a record.
type Tuple []Field

// List is what gdb writes in brackets.
type List []Field

// Get returns the value of the first field of that name, nil when there is none.
func (t Tuple) Get(name string) Value { return get(t, name) }

// Text returns the string under a path of names, "" when there is none.
func (t Tuple) Text(path ...string) string {
	var v Value = t
	for _, name := range path {
		switch x := v.(type) {
		case Tuple:
			v = get(x, name)
		case List:
			v = get(x, name)
		default:
			return ""
		}
	}
	c, _ := v.(Const)
	return string(c)
}

// Tuple returns the first field of that name when it is a tuple, else nil.
func (t Tuple) Tuple(name string) Tuple {
	x, _ := get(t, name).(Tuple)
	return x
}

// List returns the elements of the first field of that name, whether gdb wrote
// it in brackets or in braces; nil when there is none.
func (t Tuple) List(name string) List {
	switch x := get(t, name).(type) {
	case List:
		return x
	case Tuple:
		return List(x)
	}
	return nil
}

// Tuples returns the elements of the list that are tuples, named or not.
func (l List) Tuples() []Tuple {
	var out []Tuple
	for _, f := range l {
		if t, ok := f.Value.(Tuple); ok {
			out = append(out, t)
		}
	}
	return out
}

// Strings returns the elements of the list that are strings, named or not.
func (l List) Strings() []string {
	var out []string
	for _, f := range l {
		if c, ok := f.Value.(Const); ok {
			out = append(out, string(c))
		}
	}
	return out
}

func get(fields []Field, name string) Value {
	for _, f := range fields {
		if f.Name == name {
			return f.Value
		}
	}
	return nil
}

func (c Const) append(b []byte) []byte { return appendQuoted(b, string(c)) }

func (t Tuple) append(b []byte) []byte {
	b = append(b, '{')
	b = appendFields(b, t)
	return append(b, '}')
}

func (l List) append(b []byte) []byte {
	b = append(b, '[')
	b = appendFields(b, l)
	return append(b, ']')
}

func appendFields(b []byte, fields []Field) []byte {
	for i, f := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		if f.Name != "" {
			b = append(b, f.Name...)
			b = append(b, '=')
		}
		b = f.Value.append(b)
	}
	return b
}

// Quote writes s as an MI string, quotes included: the form that arguments of
// commands and console lines need.
func Quote(s string) string { return string(appendQuoted(nil, s)) }

// escapes are the letters that stand for a byte after a backslash.
var escapes = map[byte]byte{
	'a': 7, 'b': 8, 't': 9, 'n': 10, 'v': 11, 'f': 12, 'r': 13, 'e': 27,
	'"': '"', '\\': '\\', '\'': '\'',
}

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\t':
			b = append(b, '\\', 't')
		case c < ' ' || c == 0x7f:
			b = append(b, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
