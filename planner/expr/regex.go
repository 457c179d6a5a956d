package expr

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"

	"github.com/fqgw/fqgw"
)

// Regular expressions are PostgreSQL's advanced ones as far as RE2 has them:
// look-around and back references are refused (2201B).

type regexKey struct {
	pattern string
	flags   string
}

var regexCache = struct {
	sync.Mutex
	m map[regexKey]*regexp.Regexp
}{m: map[regexKey]*regexp.Regexp{}}

const maxRegexCache = 256

// Matching cannot be interrupted, so what takes longer than about a second is
// refused: its time grows with the text and with the compiled pattern.
const (
	shortText = 64 << 10
	maxSteps  = 100_000_000
	eachByte  = 20 // steps beside those of the pattern: a match may be kept
)

// regexOver is compileRegex for a pattern that is to be matched against s; 54001
// when that takes too long.
func regexOver(s, pattern, flags string) (*regexp.Regexp, error) {
	re, err := compileRegex(pattern, flags)
	if err != nil || len(s) < shortText {
		return re, err
	}
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return nil, err
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	if len(s)*(len(prog.Inst)+eachByte) > maxSteps {
		return nil, fqgw.Errorf(fqgw.CodeTooComplex, "regular expression is too complex for a text of %d bytes", len(s)).
			WithHint("Match a part of the text, or a simpler pattern.")
	}
	return re, nil
}

// compileRegex compiles a pattern; flags are PostgreSQL's letters (i, n, s, x …)
// without g.
func compileRegex(pattern, flags string) (*regexp.Regexp, error) {
	key := regexKey{pattern, flags}
	regexCache.Lock()
	re := regexCache.m[key]
	regexCache.Unlock()
	if re != nil {
		return re, nil
	}
	translated, err := translateRegex(pattern, flags)
	if err != nil {
		return nil, err
	}
	if re, err = regexp.Compile(translated); err != nil {
		msg := err.Error()
		if e, ok := err.(*syntax.Error); ok {
			msg = e.Code.String()
		}
		return nil, fqgw.Errorf("2201B", "invalid regular expression: %s", regexProblem(msg))
	}
	if !strings.Contains(translated, "?") || !lazyQuantifier(translated) {
		re.Longest() // PostgreSQL takes the longest match
	}
	regexCache.Lock()
	if len(regexCache.m) >= maxRegexCache {
		clear(regexCache.m)
	}
	regexCache.m[key] = re
	regexCache.Unlock()
	return re, nil
}

func lazyQuantifier(p string) bool {
	for _, q := range []string{"*?", "+?", "??", "}?"} {
		if strings.Contains(p, q) {
			return true
		}
	}
	return false
}

// regexProblem gives PostgreSQL's words for what RE2 found.
func regexProblem(msg string) string {
	switch {
	case strings.Contains(msg, "missing closing )"), strings.Contains(msg, "unexpected )"):
		return "parentheses () not balanced"
	case strings.Contains(msg, "missing closing ]"):
		return "brackets [] not balanced"
	case strings.Contains(msg, "repeat count"):
		return "invalid repetition count(s)"
	case strings.Contains(msg, "repetition"), strings.Contains(msg, "repeat"):
		return "quantifier operand invalid"
	case strings.Contains(msg, "escape"):
		return "invalid escape \\ sequence"
	case strings.Contains(msg, "character class range"):
		return "invalid character range"
	}
	return msg
}

// translateRegex spells a PostgreSQL pattern for RE2.
func translateRegex(p, flags string) (string, error) {
	mode, literal, expanded := "s", false, false
	if rest, ok := strings.CutPrefix(p, "***="); ok {
		p, literal = rest, true
	} else if rest, ok := strings.CutPrefix(p, "***:"); ok {
		p = rest
	}
	if strings.HasPrefix(p, "(?") && !literal {
		if i := strings.IndexByte(p, ')'); i > 2 && strings.Trim(p[2:i], "bceimnpqstwx") == "" {
			flags, p = flags+p[2:i], p[i+1:]
		}
	}
	fold := false
	for _, f := range flags {
		switch f {
		case 'i':
			fold = true
		case 'c':
			fold = false
		case 'n', 'm':
			mode = "m"
		case 'p':
			mode = ""
		case 'w':
			mode = "sm"
		case 's':
			mode = "s"
		case 'q':
			literal = true
		case 'x':
			expanded = true
		case 't', 'e', 'b':
		default:
			return "", fqgw.Errorf(fqgw.CodeInvalidParameter, "invalid regular expression option: \"%c\"", f)
		}
	}
	if fold {
		mode += "i"
	}
	prefix := ""
	if mode != "" {
		prefix = "(?" + mode + ")"
	}
	if literal {
		return prefix + regexp.QuoteMeta(p), nil
	}
	var b strings.Builder
	b.WriteString(prefix)
	inClass := false
	for i := 0; i < len(p); i++ {
		c := p[i]
		switch {
		case c == '\\' && i+1 < len(p):
			i++
			s, err := regexEscape(p[i], inClass)
			if err != nil {
				return "", err
			}
			b.WriteString(s)
		case c == '\\':
			return "", fqgw.Errorf("2201B", "invalid regular expression: invalid escape \\ sequence")
		case inClass:
			if c == '[' && i+1 < len(p) && strings.IndexByte(":.=", p[i+1]) >= 0 {
				end := strings.Index(p[i+2:], string(p[i+1])+"]")
				if end >= 0 {
					if class := regexClasses()[p[i+2:i+2+end]]; class != "" && p[i+1] == ':' {
						b.WriteString(class)
					} else {
						b.WriteString(p[i : i+2+end+2])
					}
					i += 2 + end + 1
					continue
				}
			}
			if c == '[' {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
			inClass = c != ']'
		case c == '[':
			if strings.HasPrefix(p[i:], "[[:<:]]") || strings.HasPrefix(p[i:], "[[:>:]]") {
				b.WriteString(`\b`)
				i += 6
				continue
			}
			inClass = true
			b.WriteByte(c)
			if i+1 < len(p) && p[i+1] == '^' {
				i++
				b.WriteByte('^')
				if strings.Contains(mode, "m") && !strings.Contains(mode, "s") {
					b.WriteString(`\n`)
				}
			}
			if i+1 < len(p) && p[i+1] == ']' { // a bracket that comes first is itself
				i++
				b.WriteString(`\]`)
			}
		case c == '(' && strings.HasPrefix(p[i:], "(?") && i+2 < len(p) && strings.IndexByte("=!<", p[i+2]) >= 0:
			return "", fqgw.Errorf("2201B", "invalid regular expression: look-around constraints are not supported")
		case expanded && isSpace(c):
		case expanded && c == '#':
			for i < len(p) && p[i] != '\n' {
				i++
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

// regexEscape spells one escape.
func regexEscape(c byte, inClass bool) (string, error) {
	switch {
	case strings.IndexByte("dwsDWSnrtfvaAbB", c) >= 0:
		switch class := regexClasses()[map[byte]string{'w': "word", 'W': "word", 's': "space", 'S': "space"}[c]]; {
		case class != "" && inClass && (c == 'w' || c == 's'):
			return class, nil
		case class != "" && !inClass && (c == 'W' || c == 'S'):
			return "[^" + class + "]", nil
		case class != "" && !inClass:
			return "[" + class + "]", nil
		case c == 'b' && !inClass:
			return `\x08`, nil
		case c == 'B' && !inClass:
			return `\\`, nil
		case c == 'a':
			return `\x07`, nil
		}
		return `\` + string(c), nil
	case c == 'Z':
		return `\z`, nil
	case c == 'y' || c == 'm' || c == 'M':
		return `\b`, nil
	case c == 'Y':
		return `\B`, nil
	case c == 'x':
		return `\x`, nil
	case c == 'u':
		return "", fqgw.Errorf("2201B", "invalid regular expression: \\u escapes are not supported")
	case c >= '1' && c <= '9':
		return "", fqgw.Errorf("2201B", "invalid regular expression: back references are not supported")
	case isAlpha(c) || isDigit(c):
		return "", fqgw.Errorf("2201B", "invalid regular expression: invalid escape \\ sequence")
	}
	return regexp.QuoteMeta(string([]byte{c})), nil
}

func regexMatch(s, pattern string) (bool, error) { return regexTest(s, pattern, "") }

func regexMatchFold(s, pattern string) (bool, error) { return regexTest(s, pattern, "i") }

func regexTest(s, pattern, flags string) (bool, error) {
	re, err := regexOver(s, pattern, flags)
	if err != nil {
		return false, err
	}
	return re.MatchString(s), nil
}
