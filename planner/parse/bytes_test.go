package parse

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestTokens: there are at least as many as the scanner finds, and not many more.
func TestTokens(t *testing.T) {
	for sql, most := range map[string]int{
		"": 0, "  \n": 0, "SELECT 1": 2, "SELECT 1;": 3, "a.b, $1$2": 6, "SELECT 'it''s'": 3, `SELECT E'\'' || e'\\', 1`: 9,
		`"a""b"."c"`: 4, "VALUES (1),(2)": 8, "SELECT $$ a b c $$, $x$ $$ $x$": 4, "a$b$c": 1, "1 -- a b c\n+ 2": 4, "/* /* a */ b c */ 1": 2,
		"U&'\\0041' <= b'1' + x'f'": 10, "SELECT $1::int": 6, "'no end": 1, `E'no end\'`: 2, "/* no end": 1, "$a$ no end": 1, "1.5e-3": 5, "ä ü": 2,
		"SELECT '-- a' /* ' */, 1 -- '\n, 2": 8,
		// What goes on a string with escapes has escapes too; a comment ends with its line.
		`SELECT E'a''\'', 1, 1, 1, 1, 1`: 13, "SELECT E'a' \n '\\'', 1, 1, 1, 1": 12, "SELECT E'a' '\\', 1, 1": 8, "1 -- a\r, 2, 3, 4": 8,
		"$E'\\'' 'a'\n'b'b' '1$K $x$ $x$ $1$": 13,
	} {
		n := tokens(sql)
		if n > most {
			t.Errorf("%q: %d tokens, want at most %d", sql, n, most)
		}
		res, err := pgScan(sql)
		if err != nil {
			continue // a string or a comment without an end
		}
		if least := len(res.Tokens); n < least {
			t.Errorf("%q: %d tokens, the scanner finds %d", sql, n, least)
		}
	}
}

// mayMiss is how many tokens of a text that the grammar refuses anyway may be missed:
// what matters is that no text hides any number of them.
const mayMiss = 16

// FuzzTokens: no text has many more tokens than were counted.
func FuzzTokens(f *testing.F) {
	for _, sql := range []string{"SELECT E'\\'' 'a'\n'b' $1$2 $x$ $x$", "a$b$ 1.e5 ..1 U&\"x\" /* -- */ -- /*\n", "b'1'x'2'n'3'e'4' >= :="} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		if strings.ContainsRune(sql, 0) || !utf8.ValidString(sql) || len(sql) > 1<<12 {
			return
		}
		if res, err := pgScan(sql); err == nil && tokens(sql)+mayMiss < len(res.Tokens) {
			t.Errorf("%q: %d tokens, the scanner finds %d", sql, tokens(sql), len(res.Tokens))
		}
	})
}
