package suite

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// pattern is a regular expression of Python's as ~ reads it. Where the two differ in what
// they mean it is rewritten; an error says what ~ has not.
func pattern(py string) (string, error) {
	var out strings.Builder
	var dotall bool
	if rest, ok := strings.CutPrefix(py, "(?"); ok {
		if flags, tail, ok := strings.Cut(rest, ")"); ok && flags != "" && strings.Trim(flags, "aimsux") == "" {
			py, dotall = tail, strings.Contains(flags, "s")
			own := ""
			for _, f := range []struct{ py, pg string }{{"i", "i"}, {"x", "x"}, {"m", "w"}} {
				if strings.Contains(flags, f.py) {
					own += f.pg
				}
			}
			if own != "" {
				out.WriteString("(?" + own + ")")
			}
		}
	}
	for i := 0; i < len(py); i++ {
		rest := py[i:]
		switch c := py[i]; {
		case c == '\\':
			if len(rest) < 2 {
				return "", fmt.Errorf("the regular expression %q ends in a backslash", py)
			}
			text, n, err := escape(rest, false)
			if err != nil {
				return "", err
			}
			out.WriteString(text)
			i += n - 1
		case c == '[':
			text, n, err := bracket(rest)
			if err != nil {
				return "", err
			}
			out.WriteString(text)
			i += n - 1
		case c == '.' && !dotall:
			out.WriteString(`[^\n]`)
		case strings.HasPrefix(rest, "(?P<"): // its name is of no use
			end := strings.IndexByte(rest, '>')
			if end < 0 {
				return "", fmt.Errorf("the regular expression %q has a group without a name", py)
			}
			out.WriteByte('(')
			i += end
		case strings.HasPrefix(rest, "(?") && !strings.HasPrefix(rest, "(?:"):
			return "", fmt.Errorf("the regular expression has %q, which ~ has not", rest[:min(len(rest), 4)])
		case strings.HasPrefix(rest, "{,"):
			out.WriteString("{0")
		case i > 0 && c == '+' && strings.IndexByte("*+?}", py[i-1]) >= 0 && (i < 2 || py[i-2] != '\\'):
			return "", fmt.Errorf("the regular expression has the possessive %q, which ~ has not", py[i-1:i+1])
		default:
			out.WriteByte(c)
		}
	}
	return out.String(), nil
}

// escape is what begins with a backslash, and how many bytes of Python's it is.
func escape(s string, inBracket bool) (string, int, error) {
	switch c := s[1]; {
	case !inBracket && c == 'b':
		return `\y`, 2, nil
	case !inBracket && c == 'B':
		return `\Y`, 2, nil
	case inBracket && strings.IndexByte("DSW", c) >= 0, c == 'N', c == 'u', c == 'U', c == '0':
		return "", 0, fmt.Errorf("the regular expression has %q, which ~ has not", s[:2])
	case !inBracket && c >= '1' && c <= '9':
		return "", 0, errors.New("the regular expression has a back reference, which ~ has not")
	case c == 'x':
		n, err := strconv.ParseUint(s[2:min(len(s), 4)], 16, 8)
		if err != nil || n == 0 {
			return "", 0, fmt.Errorf("the regular expression has %q, which ~ has not", s[:min(len(s), 4)])
		}
		if r := rune(n); r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(r), 4, nil
		}
		return `\` + string(rune(n)), 4, nil
	}
	return s[:2], 2, nil
}

// bracket is a bracket expression, and how many bytes it is.
func bracket(s string) (string, int, error) {
	out := "["
	i := 1
	if i < len(s) && s[i] == '^' {
		out, i = out+"^", i+1
	}
	for first := true; i < len(s); first = false {
		switch {
		case s[i] == ']' && first:
			out, i = out+`\]`, i+1
		case s[i] == ']':
			return out + "]", i + 1, nil
		case s[i] == '[':
			out, i = out+`\[`, i+1
		case s[i] == '\\' && i+1 < len(s):
			text, n, err := escape(s[i:], true)
			if err != nil {
				return "", 0, err
			}
			out, i = out+text, i+n
		default:
			out, i = out+s[i:i+1], i+1
		}
	}
	return "", 0, fmt.Errorf("the regular expression has a bracket that is not closed")
}
