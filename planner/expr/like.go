package expr

import (
	"strings"
	"unicode/utf8"

	"github.com/fqgw/fqgw"
)

// like matches s against a LIKE pattern whose escape is a backslash; 22025 when
// the pattern ends in it.
func like(s, pattern string) (bool, error) {
	ok, err := matchLike(s, pattern)
	return ok == likeTrue, err
}

type likeResult int8

const (
	likeTrue likeResult = iota
	likeFalse
	likeAbort // the text ended: no later start can match either
)

func matchLike(s, p string) (likeResult, error) {
	for p != "" {
		if s == "" {
			break
		}
		switch p[0] {
		case '\\':
			if len(p) < 2 {
				return likeFalse, errLikeEscape()
			}
			if s[0] != p[1] {
				return likeFalse, nil
			}
			s, p = s[1:], p[2:]
		case '_':
			_, n := utf8.DecodeRuneInString(s)
			s, p = s[n:], p[1:]
		case '%':
			return matchRest(s, p[1:])
		default:
			if s[0] != p[0] {
				return likeFalse, nil
			}
			s, p = s[1:], p[1:]
		}
	}
	if s != "" {
		return likeFalse, nil
	}
	for p != "" && p[0] == '%' {
		p = p[1:]
	}
	if p == "" {
		return likeTrue, nil
	}
	return likeAbort, nil
}

// matchRest matches what follows a %: at every place of s.
func matchRest(s, p string) (likeResult, error) {
	for p != "" && (p[0] == '%' || p[0] == '_') {
		if p[0] == '_' {
			if s == "" {
				return likeAbort, nil
			}
			_, n := utf8.DecodeRuneInString(s)
			s = s[n:]
		}
		p = p[1:]
	}
	if p == "" {
		return likeTrue, nil
	}
	first := p[0]
	if first == '\\' {
		if len(p) < 2 {
			return likeFalse, errLikeEscape()
		}
		first = p[1]
	}
	for s != "" {
		if s[0] == first {
			if r, err := matchLike(s, p); r != likeFalse || err != nil {
				return r, err
			}
		}
		_, n := utf8.DecodeRuneInString(s)
		s = s[n:]
	}
	return likeAbort, nil
}

func errLikeEscape() error {
	return fqgw.Errorf("22025", "LIKE pattern must not end with escape character")
}

// likeEscape rewrites a pattern with another escape character to backslashes.
func likeEscape(pattern, esc string) (string, error) {
	if utf8.RuneCountInString(esc) > 1 {
		return "", fqgw.Errorf("22025", "invalid escape string").WithHint("Escape string must be empty or one character.")
	}
	if esc == `\` {
		return pattern, nil
	}
	var b strings.Builder
	for i := 0; i < len(pattern); {
		if esc != "" && strings.HasPrefix(pattern[i:], esc) {
			i += len(esc)
			if i >= len(pattern) { // an escape at the end, which like() refuses
				b.WriteByte('\\')
				break
			}
			_, n := utf8.DecodeRuneInString(pattern[i:])
			b.WriteByte('\\')
			b.WriteString(pattern[i : i+n])
			i += n
			continue
		}
		if pattern[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(pattern[i])
		i++
	}
	return b.String(), nil
}

func not(f func(a, b string) (bool, error)) func(a, b string) (bool, error) {
	return func(a, b string) (bool, error) {
		ok, err := f(a, b)
		return !ok, err
	}
}

func ilike(s, pattern string) (bool, error) { return like(lower(s), lower(pattern)) }

func likeOps() []opDef {
	var out []opDef
	for _, t := range []string{"text", "name", "bpchar"} {
		sig := t + " text bool"
		out = append(out, opDef{"~~", sig, like}, opDef{"!~~", sig, not(like)}, opDef{"~~*", sig, ilike}, opDef{"!~~*", sig, not(ilike)},
			opDef{"~", sig, regexMatch}, opDef{"!~", sig, not(regexMatch)}, opDef{"~*", sig, regexMatchFold}, opDef{"!~*", sig, not(regexMatchFold)})
	}
	return append(out, opDef{"~~", "bytea bytea bool", like}, opDef{"!~~", "bytea bytea bool", not(like)})
}
