package main

import (
	"fmt"
	"strings"
)

// argLine is a line of arguments as typed behind `run`: words and redirections.
type argLine struct {
	args                  []string
	stdin, stdout, stderr string
}

// splitArgs takes a line apart as a shell would, as far as words, quotes and
// redirections to files go. What only a shell can do (variables, patterns, pipes)
// is refused by name.
func splitArgs(line string) (argLine, error) {
	var out argLine
	dest := &out.stdin
	redirect := false
	word, inWord := "", false
	end := func() {
		switch {
		case !inWord:
			return
		case redirect:
			*dest, redirect = word, false
		default:
			out.args = append(out.args, word)
		}
		word, inWord = "", false
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == ' ' || c == '\t':
			end()
		case c == '\'':
			j := strings.IndexByte(line[i+1:], '\'')
			if j < 0 {
				return out, fmt.Errorf("a quote ' has no end")
			}
			word, inWord = word+line[i+1:i+1+j], true
			i += j + 1
		case c == '"':
			text, n, err := doubleQuoted(line[i+1:])
			if err != nil {
				return out, err
			}
			word, inWord = word+text, true
			i += n
		case c == '\\' && i+1 < len(line):
			i++
			word, inWord = word+line[i:i+1], true
		case c == '<' || c == '>':
			to := &out.stdin
			if c == '>' {
				to = &out.stdout
				if inWord && (word == "1" || word == "2") {
					if word == "2" {
						to = &out.stderr
					}
					word, inWord = "", false
				}
			}
			end()
			if redirect || i+1 < len(line) && (line[i+1] == c || line[i+1] == '&' || line[i+1] == '(') {
				return out, fmt.Errorf("%q is not understood here; plain redirections are: < FILE, > FILE, 2> FILE", line[i:min(len(line), i+2)])
			}
			dest, redirect = to, true
		case strings.IndexByte("$`*?[]{}|&;()!~#", c) >= 0 && !(inWord && strings.IndexByte("~#{}[]!", c) >= 0):
			return out, fmt.Errorf("%q needs a shell; in quotes it stands for itself", c)
		default:
			word, inWord = word+line[i:i+1], true
		}
	}
	end()
	if redirect {
		return out, fmt.Errorf("a redirection has no file")
	}
	return out, nil
}

// doubleQuoted reads up to the closing quote; n counts what was read, the quote
// included.
func doubleQuoted(s string) (text string, n int, err error) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			return text, i + 1, nil
		case '\\':
			if i+1 < len(s) && strings.IndexByte("\\\"$`", s[i+1]) >= 0 {
				i++
				text += s[i : i+1]
				continue
			}
			text += `\`
		case '$', '`':
			return "", 0, fmt.Errorf("%q needs a shell; in single quotes it stands for itself", c)
		default:
			text += string([]byte{c})
		}
	}
	return "", 0, fmt.Errorf(`a quote " has no end`)
}
