package tui

import (
	"strconv"
	"strings"
)

// profile is how many colours the terminal has.
type profile uint8

const (
	noColor profile = iota
	color16
	color256
)

// profileOf reads the environment: NO_COLOR wins.
func profileOf(getenv func(string) string) profile {
	term := getenv("TERM")
	switch {
	case getenv("NO_COLOR") != "":
		return noColor
	case getenv("COLORTERM") != "", strings.Contains(term, "256color"), strings.Contains(term, "kitty"), strings.Contains(term, "alacritty"):
		return color256
	case term == "vt100", term == "vt220", strings.HasSuffix(term, "-mono"):
		return noColor
	}
	return color16
}

// darkBy says whether the terminal's background is dark as far as the environment
// tells; ok is false when it does not.
func darkBy(getenv func(string) string) (dark, ok bool) {
	v := getenv("COLORFGBG") // "15;0", by terminals that know
	i := strings.LastIndexByte(v, ';')
	if i < 0 {
		return false, false
	}
	n, err := strconv.Atoi(v[i+1:])
	if err != nil {
		return false, false
	}
	return n < 7 || n == 8, true
}

// theme is how things look. Without colours everything that a colour says is said
// by an attribute or a sign as well.
type theme struct {
	ascii bool // the terminal's characters are ASCII

	title, focus         style // of panes
	bar                  style // header
	faint, strong        style
	changed, failed      style
	current, cursor      style // the line where the program is, the line chosen
	breakpoint, disabled style
	signal, mark, output style
	future, present      style
	lanes                []style
	syntax               [numTokens]style
}

func newTheme(p profile, dark, ascii bool) *theme {
	t := &theme{ascii: ascii}
	t.title = style{attr: underline}
	t.focus = style{attr: underline | bold | reverse}
	t.bar = style{attr: reverse}
	t.faint = style{attr: dim}
	t.strong = style{attr: bold}
	t.changed = style{attr: bold}
	t.failed = style{attr: italic}
	t.current = style{attr: bold | reverse}
	t.cursor = style{attr: underline}
	t.breakpoint = style{attr: bold}
	t.disabled = style{attr: dim}
	t.signal = style{attr: bold}
	t.mark = style{attr: bold}
	t.future = style{attr: dim}
	t.present = style{attr: reverse}
	t.lanes = []style{{}}
	t.syntax[tokComment] = style{attr: dim}
	t.syntax[tokKeyword] = style{attr: bold}
	if p == noColor {
		return t
	}
	// For either background: 16 colours, 256 colours.
	pick := func(darkLow, darkHigh, lightLow, lightHigh int) color {
		n := lightLow
		switch {
		case dark && p == color256:
			n = darkHigh
		case dark:
			n = darkLow
		case p == color256:
			n = lightHigh
		}
		return color(n + 1)
	}
	blue := pick(12, 75, 4, 25)
	green := pick(10, 114, 2, 28)
	red := pick(9, 203, 1, 160)
	yellow := pick(11, 221, 3, 130)
	magenta := pick(13, 176, 5, 90)
	cyan := pick(14, 80, 6, 30)
	gray := pick(8, 244, 8, 244)
	t.title = style{fg: gray, attr: underline}
	t.focus = style{fg: blue, attr: underline | bold}
	t.faint = style{fg: gray}
	t.changed = style{fg: yellow, attr: bold}
	t.failed = style{fg: gray, attr: italic}
	t.breakpoint = style{fg: red, attr: bold}
	t.disabled = style{fg: gray}
	t.signal = style{fg: red, attr: bold}
	t.mark = style{fg: cyan}
	t.output = style{fg: green}
	t.future = style{fg: gray}
	if p == color256 {
		t.bar = style{fg: pick(0, 253, 0, 234), bg: pick(0, 237, 0, 252)}
		t.current = style{bg: pick(0, 24, 0, 153)}
		t.cursor = style{bg: pick(0, 236, 0, 255)}
		t.present = style{fg: pick(0, 16, 0, 231), bg: pick(0, 221, 0, 130)}
	}
	t.lanes = []style{{fg: blue}, {fg: green}, {fg: magenta}, {fg: cyan}, {fg: yellow}, {fg: red}}
	t.syntax[tokKeyword] = style{fg: blue}
	t.syntax[tokType] = style{fg: cyan}
	t.syntax[tokString] = style{fg: green}
	t.syntax[tokNumber] = style{fg: magenta}
	t.syntax[tokComment] = style{fg: gray}
	t.syntax[tokPre] = style{fg: yellow}
	t.syntax[tokFunc] = style{attr: bold}
	return t
}

// glyph chooses between a character and its ASCII stand-in.
func (t *theme) glyph(unicode, ascii string) string {
	if t.ascii {
		return ascii
	}
	return unicode
}

// asciiBy says whether the environment's character set is not UTF-8.
func asciiBy(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := getenv(name); v != "" {
			v = strings.ToLower(v)
			return !strings.Contains(v, "utf-8") && !strings.Contains(v, "utf8")
		}
	}
	// Nothing said: that is so in containers, where the terminal is of today.
	return getenv("TERM") == "linux" || strings.HasPrefix(getenv("TERM"), "vt")
}
