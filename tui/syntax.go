package tui

import (
	"path/filepath"
	"strings"
	"sync"

	"github.com/alecthomas/chroma/v2"
)

// Colours of source text, by chroma's lexer engine. The rules are our own:
// chroma's library of languages takes 30 ms to load, at every start of the
// program whatever it does.

type token uint8

const (
	tokText token = iota
	tokKeyword
	tokType
	tokString
	tokNumber
	tokComment
	tokPre // preprocessor, attributes, macros
	tokFunc
	numTokens
)

// span is a part of a line in one style.
type span struct {
	text string
	tok  token
}

// language is what tells one language of the family from another.
type language struct {
	suffixes       []string
	keywords       string
	types          string
	pre, preFirst  string // what is preprocessor or attribute; preFirst only first in a line
	raw            string // a raw string's pattern
	quote          string // what ' begins
	once           sync.Once
	lexer          chroma.Lexer
	linesOfComment string
}

const (
	cKeywords = `auto break case const constexpr continue default do else enum extern for goto if inline register restrict return sizeof static struct switch typedef union volatile while _Atomic _Noreturn _Alignas _Alignof _Generic _Static_assert _Thread_local __attribute__ __asm__ asm NULL true false alignas alignof static_assert thread_local nullptr`
	cTypes    = `void char short int long float double signed unsigned bool _Bool wchar_t`
	charQuote = `'(\\.|[^'\\\n])+'`
)

var languages = []*language{
	{suffixes: []string{".c", ".h"}, keywords: cKeywords, types: cTypes, preFirst: `#[^\n]*(\\\n[^\n]*)*`, quote: charQuote, linesOfComment: `//`},
	{suffixes: []string{".cc", ".cpp", ".cxx", ".c++", ".C", ".hh", ".hpp", ".hxx", ".h++", ".tcc", ".ipp", ".inl", ""},
		keywords: cKeywords + ` class namespace template typename using public private protected virtual override final friend operator new delete this throw try catch noexcept explicit mutable constinit consteval concept requires co_await co_return co_yield decltype static_cast dynamic_cast const_cast reinterpret_cast typeid export import module`,
		types:    cTypes + ` char8_t char16_t char32_t`, preFirst: `#[^\n]*(\\\n[^\n]*)*`, raw: `(?s)R"([^(\s]*)\(.*?\)\1"`, quote: charQuote, linesOfComment: `//`},
	{suffixes: []string{".go"},
		keywords: `break case chan const continue default defer else fallthrough for func go goto if import interface map package range return select struct switch type var nil true false iota`,
		types:    `bool byte complex64 complex128 error float32 float64 int int8 int16 int32 int64 rune string uint uint8 uint16 uint32 uint64 uintptr any comparable`,
		raw:      "(?s)`[^`]*`", quote: charQuote, linesOfComment: `//`},
	{suffixes: []string{".rs"},
		keywords: `as async await break const continue crate dyn else enum extern fn for if impl in let loop match mod move mut pub ref return self Self static struct super trait true false type union unsafe use where while`,
		types:    `bool char f32 f64 i8 i16 i32 i64 i128 isize str u8 u16 u32 u64 u128 usize String Vec Option Result Box`,
		pre:      `#!?\[[^\]\n]*\]|\b[a-z_]+!(?=[(\[{ ])`, raw: `(?s)r(#*)".*?"\1`, quote: `'(\\.[^'\n]*|[^'\\\n])'`, linesOfComment: `//`},
	{suffixes: []string{".s", ".S", ".asm"}, preFirst: `[ \t]*[.#][^\n]*`, quote: charQuote, linesOfComment: `//|;|#`},
	{suffixes: []string{".py"},
		keywords: `and as assert async await break class continue def del elif else except finally for from global if import in is lambda None nonlocal not or pass raise return try True False while with yield self`,
		pre:      `@[\w.]+`, raw: `(?s)"""(.*?)"""|(?s)'''(.*?)'''`, quote: `'(\\.|[^'\\\n])*'`, linesOfComment: `#`},
}

// languageOf finds a file's language by its name, nil for none.
func languageOf(file string) *language {
	ext := filepath.Ext(file)
	for _, l := range languages {
		for _, s := range l.suffixes {
			if s == ext && (ext != "" || strings.Contains(file, "/include/c++/")) {
				return l
			}
		}
	}
	return nil
}

func (l *language) get() chroma.Lexer {
	l.once.Do(func() {
		words := func(s string) string { return `\b(` + strings.Join(strings.Fields(s), "|") + `)\b` }
		rules := []chroma.Rule{}
		add := func(pattern string, t chroma.TokenType) {
			if pattern != "" {
				rules = append(rules, chroma.Rule{Pattern: pattern, Type: t})
			}
		}
		if l.preFirst != "" {
			add(`^[ \t]*`+l.preFirst, chroma.CommentPreproc)
		}
		add(`(?s)/\*.*?\*/|/\*(?s).*`, chroma.Comment)
		add(`(`+l.linesOfComment+`)[^\n]*`, chroma.Comment)
		add(l.raw, chroma.LiteralString)
		add(`"(\\.|\\\n|[^"\\\n])*"?`, chroma.LiteralString)
		add(l.quote, chroma.LiteralString)
		add(l.pre, chroma.CommentPreproc)
		add(`\b(0[xX][0-9a-fA-F_']+|0[bB][01_']+|[0-9][0-9_']*(\.[0-9_]+)?([eE][+-]?[0-9]+)?)[a-zA-Z0-9]*`, chroma.LiteralNumber)
		if l.keywords != "" {
			add(words(l.keywords), chroma.Keyword)
		}
		if l.types != "" {
			add(words(l.types), chroma.KeywordType)
		}
		if strings.HasPrefix(l.keywords, cKeywords) {
			add(`\b\w+_t\b`, chroma.KeywordType)
		}
		add(`\b[A-Za-z_]\w*(?=\s*\()`, chroma.NameFunction)
		add(`[A-Za-z_]\w*`, chroma.Name)
		add(`\s+`, chroma.Text)
		add(`.`, chroma.Text)
		l.lexer = chroma.MustNewLexer(&chroma.Config{Name: l.suffixes[0], EnsureNL: true}, func() chroma.Rules { return chroma.Rules{"root": rules} })
	})
	return l.lexer
}

// kinds maps chroma's tokens to ours.
var kinds = map[chroma.TokenType]token{
	chroma.Keyword: tokKeyword, chroma.KeywordType: tokType, chroma.LiteralString: tokString, chroma.LiteralNumber: tokNumber,
	chroma.Comment: tokComment, chroma.CommentPreproc: tokPre, chroma.NameFunction: tokFunc,
}

// highlight splits a text into lines of spans, tabs expanded.
func highlight(file, text string) [][]span {
	var lines [][]span
	var line []span
	col := 0
	add := func(s string, t token) {
		for i, part := range strings.Split(s, "\n") {
			if i > 0 {
				lines = append(lines, line)
				line, col = nil, 0
			}
			part = strings.TrimSuffix(part, "\r")
			if part == "" {
				continue
			}
			var b strings.Builder
			for _, r := range part {
				if r == '\t' {
					n := tabWidth - col%tabWidth
					b.WriteString(strings.Repeat(" ", n))
					col += n
					continue
				}
				b.WriteRune(r)
				col++
			}
			line = append(line, span{b.String(), t})
		}
	}
	if l := languageOf(file); l != nil {
		if it, err := l.get().Tokenise(nil, text); err == nil {
			for t := it(); t != chroma.EOF; t = it() {
				add(t.Value, kinds[t.Type])
			}
			if len(line) > 0 {
				lines = append(lines, line)
			}
			return lines
		}
	}
	add(strings.TrimSuffix(text, "\n"), tokText)
	return append(lines, line)
}

const tabWidth = 4
