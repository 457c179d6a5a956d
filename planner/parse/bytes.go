package parse

import "strings"

// What a text takes while it is parsed is a matter of its tokens: a long literal is one,
// VALUES (1),(2),… has four in five bytes. The scanner, the C library, the copies between
// them and the trees have about 250 bytes for a token at the same time (VALUES of five
// million rows took 5.2 GB); the trees keep half of that.
const (
	tokenBytes = 256
	textBytes  = 4 // copies of the text itself
)

// Bytes is about what the trees of a text take, before it is parsed.
func Bytes(sql string) int64 {
	return 1024 + textBytes*int64(len(sql)) + tokenBytes*int64(tokens(sql))
}

// tokens is how many tokens a text has, or some more: operators of several characters
// count for each of them.
func tokens(sql string) (n int) {
	e := -1 // the end of a word that is E alone: a string there has escapes
	for i := 0; i < len(sql); n++ {
		c := sql[i]
		switch {
		case isSpace(c):
			i++
			n--
		case c == '\'':
			escapes := e == i
			i = afterQuoted(sql, i+1, escapes)
			for next := goesOn(sql, i); escapes && next >= 0; next = goesOn(sql, i) {
				i = afterQuoted(sql, next, true)
			}
		case c == '"':
			i = after(sql, i+1, `"`)
		case c == '-' && strings.HasPrefix(sql[i:], "--"):
			i = afterLine(sql, i)
		case c == '/' && strings.HasPrefix(sql[i:], "/*"):
			i = afterComment(sql, i+2)
		case c == '$':
			if tag := dollarTag(sql[i:]); tag != "" {
				i = after(sql, i+len(tag), tag)
				continue
			}
			i++
			for i < len(sql) && '0' <= sql[i] && sql[i] <= '9' {
				i++
			}
		case '0' <= c && c <= '9':
			for i < len(sql) && inWord(sql[i]) && sql[i] != '$' {
				i++
			}
		case inWord(c):
			from := i
			for i < len(sql) && inWord(sql[i]) {
				i++
			}
			if i-from == 1 && c|0x20 == 'e' {
				e = i
			}
		default:
			i++
		}
	}
	return n
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// inWord says whether an identifier may have c behind its first character.
func inWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

// after is the place behind the next end, the text's end without one.
func after(sql string, i int, end string) int {
	if n := strings.Index(sql[i:], end); n >= 0 {
		return i + n + len(end)
	}
	return len(sql)
}

// afterLine is the place of the end of the line, the text's end without one.
func afterLine(sql string, i int) int {
	if n := strings.IndexAny(sql[i:], "\n\r"); n >= 0 {
		return i + n
	}
	return len(sql)
}

// goesOn is the place behind the quote with which a string goes on that was closed
// before i: at once, or on a later line; -1 if it does not. (The scanner that finds
// comments does not have one within a string.)
func goesOn(sql string, i int) int {
	from := i
	for i < len(sql) && isSpace(sql[i]) {
		i++
	}
	if i < len(sql) && sql[i] == '\'' && (i == from || strings.ContainsAny(sql[from:i], "\n\r")) {
		return i + 1
	}
	return -1
}

// afterQuoted is the place behind a string; two quotes in it end it here.
func afterQuoted(sql string, i int, escapes bool) int {
	for ; i < len(sql); i++ {
		if sql[i] == '\\' && escapes {
			i++
		} else if sql[i] == '\'' {
			return i + 1
		}
	}
	return len(sql)
}

func afterComment(sql string, i int) int {
	for open := 1; i < len(sql); i++ {
		switch {
		case strings.HasPrefix(sql[i:], "/*"):
			open++
			i++
		case strings.HasPrefix(sql[i:], "*/"):
			if i++; open == 1 {
				return i + 1
			}
			open--
		}
	}
	return len(sql)
}

// dollarTag is what opens and closes the dollar-quoted string that begins here, or "".
func dollarTag(sql string) string {
	for i := 1; i < len(sql); i++ {
		c := sql[i]
		switch {
		case c == '$':
			return sql[:i+1]
		case !inWord(c) || i == 1 && '0' <= c && c <= '9':
			return ""
		}
	}
	return ""
}
