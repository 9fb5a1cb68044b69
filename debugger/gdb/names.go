package gdb

// names returns the identifiers of an expression in C, C++ or a language like
// them that may name variables: not members behind . or ->, not names behind
// ::, not $registers, nothing in quotes. Names of types and functions are among
// them. Each is returned once.
func names(expr string) []string {
	var out []string
	seen := map[string]bool{}
	member := false // what comes next is a member's name
	for i := 0; i < len(expr); {
		c := expr[i]
		switch {
		case c == '"' || c == '\'':
			i = skipQuoted(expr, i)
			member = false
		case c == '$' || letter(c) || digit(c):
			k := i + 1
			for k < len(expr) && (letter(expr[k]) || digit(expr[k]) || c != '$' && digit(c) && expr[k] == '.') {
				k++
			}
			word := expr[i:k]
			if letter(c) && !member && !seen[word] {
				seen[word] = true
				out = append(out, word)
			}
			member = false
			i = k
		case c == '.':
			member = true
			i++
		case c == '-' && i+1 < len(expr) && expr[i+1] == '>', c == ':' && i+1 < len(expr) && expr[i+1] == ':':
			member = true
			i += 2
		case c == ' ' || c == '\t' || c == '*': // p->*q, a . b
			i++
		default:
			member = false
			i++
		}
	}
	return out
}

// calls reports whether an expression calls a function: a name, a ) or a ]
// followed by an opening parenthesis, keywords apart.
func calls(expr string) bool {
	word := ""     // the identifier that ends just before here, blanks aside
	value := false // something callable ends here
	for i := 0; i < len(expr); {
		c := expr[i]
		switch {
		case c == '"' || c == '\'':
			i = skipQuoted(expr, i)
			word, value = "", false
			continue
		case letter(c):
			k := i + 1
			for k < len(expr) && (letter(expr[k]) || digit(expr[k])) {
				k++
			}
			word, value = expr[i:k], true
			i = k
			continue
		case digit(c):
			word, value = "", false
		case c == '(':
			switch word {
			case "sizeof", "alignof", "_Alignof", "typeof", "decltype":
				word = ""
				value = false
			}
			if value && word != "" {
				return true
			}
			word, value = "", false
		case c == ' ' || c == '\t':
		default:
			word, value = "", false
		}
		i++
	}
	return false
}

// skipQuoted returns the index behind the quoted text that begins at i.
func skipQuoted(s string, i int) int {
	q := s[i]
	for i++; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case q:
			return i + 1
		}
	}
	return len(s)
}

func letter(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
