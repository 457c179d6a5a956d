package expr

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fqgw/fqgw"
)

// Letters: the collation is "C", whose case is ASCII's; but PostgreSQL's usual
// C.UTF-8 database folds all of Unicode, and so do we.
func lower(s string) string { return strings.Map(unicode.ToLower, s) }
func upper(s string) string { return strings.Map(unicode.ToUpper, s) }

func initcap(s string) string {
	start := true
	return strings.Map(func(r rune) rune {
		out := unicode.ToLower(r)
		if start {
			out = unicode.ToUpper(r)
		}
		start = !unicode.IsLetter(r) && !unicode.IsDigit(r)
		return out
	}, s)
}

const maxText = 1 << 26 // what repeat, the pads, replace and the like may make, bytes

func errTooLong() error {
	return fqgw.Errorf("54000", "requested length too large")
}

func repeatText(a, b value) (value, error) {
	n := b.Int()
	if n <= 0 {
		return fqgw.TextValue(""), nil
	}
	if n*int64(len(a.Str())) > maxText {
		return fqgw.Null, errTooLong()
	}
	return fqgw.TextValue(strings.Repeat(a.Str(), int(n))), nil
}

// pad is lpad and rpad.
func pad(left bool) func(args []value) (value, error) {
	return func(args []value) (value, error) {
		s, n, fill := args[0].Str(), args[1].Int(), " "
		if len(args) == 3 {
			fill = args[2].Str()
		}
		if n > maxText/4 {
			return fqgw.Null, errTooLong()
		}
		n = max(n, 0)
		have := int64(runeCount(s))
		if have >= n || fill == "" {
			return fqgw.TextValue(s[:runeIndex(s, int(n))]), nil
		}
		runes := []rune(fill)
		var b strings.Builder
		for i := range n - have {
			b.WriteRune(runes[i%int64(len(runes))])
		}
		if left {
			return fqgw.TextValue(b.String() + s), nil
		}
		return fqgw.TextValue(s + b.String()), nil
	}
}

// substr is substring(s from start [for length]).
func substr(args []value) (value, error) {
	s, start := args[0].Str(), args[1].Int()
	end := int64(1 << 40)
	if len(args) == 3 {
		if args[2].Int() < 0 {
			return fqgw.Null, fqgw.Errorf("22011", "negative substring length not allowed")
		}
		end = start + args[2].Int()
	}
	start = max(start, 1)
	if args[0].Kind() == fqgw.KindBytes {
		n := int64(len(s)) + 1
		start, end = min(start, n), min(max(end, start), n)
		return fqgw.BytesValue(s[start-1 : max(end, start)-1]), nil
	}
	if end <= start {
		return fqgw.TextValue(""), nil
	}
	from := runeIndex(s, int(start-1))
	to := from + runeIndex(s[from:], int(min(end-start, 1<<40)))
	return fqgw.TextValue(s[from:to]), nil
}

func leftText(a, b value) value {
	s, n := a.Str(), b.Int()
	if n < 0 {
		n = max(int64(runeCount(s))+n, 0)
	}
	return fqgw.TextValue(s[:runeIndex(s, int(n))])
}

func rightText(a, b value) value {
	s, n := a.Str(), b.Int()
	skip := -n
	if n >= 0 {
		skip = max(int64(runeCount(s))-n, 0)
	}
	return fqgw.TextValue(s[runeIndex(s, int(min(skip, 1<<40))):])
}

func position(s, sub string) int {
	i := strings.Index(s, sub)
	if i < 0 {
		return 0
	}
	return runeCount(s[:i]) + 1
}

func replaceText(args []value) (value, error) {
	if args[1].Str() == "" {
		return args[0], nil
	}
	s, from, to := args[0].Str(), args[1].Str(), args[2].Str()
	if more := len(to) - len(from); more > 0 && len(s)+strings.Count(s, from)*more > max(maxText, len(s)) {
		return fqgw.Null, errTooLong()
	}
	return fqgw.TextValue(strings.ReplaceAll(s, from, to)), nil
}

func translate(args []value) (value, error) {
	from, to := []rune(args[1].Str()), []rune(args[2].Str())
	m := map[rune]rune{}
	for i, r := range from {
		if _, ok := m[r]; ok {
			continue
		}
		if m[r] = -1; i < len(to) {
			m[r] = to[i]
		}
	}
	return fqgw.TextValue(strings.Map(func(r rune) rune {
		if t, ok := m[r]; ok {
			return t
		}
		return r
	}, args[0].Str())), nil
}

func reverse(s string) string {
	r := []rune(s)
	for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
		r[i], r[j] = r[j], r[i]
	}
	return string(r)
}

func splitPart(args []value) (value, error) {
	s, sep, n := args[0].Str(), args[1].Str(), args[2].Int()
	if n == 0 {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "field position must not be zero")
	}
	parts := []string{s}
	if s == "" {
		parts = nil
	} else if sep != "" {
		parts = strings.Split(s, sep)
	}
	if n < 0 {
		n += int64(len(parts)) + 1
	}
	if n < 1 || n > int64(len(parts)) {
		return fqgw.TextValue(""), nil
	}
	return fqgw.TextValue(parts[n-1]), nil
}

// concat joins all arguments that are not NULL.
func concat(env *fqgw.Env, types []fqgw.Type, args []value) (value, error) {
	var b []byte
	for i, a := range args {
		b = AppendText(b, a, types[i], env)
	}
	return fqgw.TextValue(string(b)), nil
}

func concatWS(env *fqgw.Env, types []fqgw.Type, args []value) (value, error) {
	if args[0].IsNull() {
		return fqgw.Null, nil
	}
	var parts []string
	for i, a := range args[1:] {
		if !a.IsNull() {
			parts = append(parts, Text(a, types[i+1], env))
		}
	}
	return fqgw.TextValue(strings.Join(parts, args[0].Str())), nil
}

// formatText is format(): %s, %I, %L with position, flag and width.
func formatText(env *fqgw.Env, types []fqgw.Type, args []value) (value, error) {
	if args[0].IsNull() {
		return fqgw.Null, nil
	}
	f, next := args[0].Str(), 1
	var b strings.Builder
	bad := func(msg string) (value, error) { return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "%s", msg) }
	take := func(at int) (value, fqgw.Type, bool) {
		if at >= len(args) {
			return fqgw.Null, fqgw.Text, false
		}
		return args[at], types[at], true
	}
	for i := 0; i < len(f); i++ {
		if f[i] != '%' {
			b.WriteByte(f[i])
			continue
		}
		if i++; i >= len(f) {
			return bad("unterminated format() type specifier")
		}
		if f[i] == '%' {
			b.WriteByte('%')
			continue
		}
		number := func() (int, bool) {
			from := i
			for i < len(f) && isDigit(f[i]) && i-from < 9 {
				i++
			}
			return atoi(f[from:i]), i > from
		}
		at, minus, width := 0, false, 0
		if n, ok := number(); ok {
			if i < len(f) && f[i] == '$' {
				if n == 0 {
					return bad("format specifies argument 0, but arguments are numbered from 1")
				}
				at, i = n, i+1
			} else {
				width = n
			}
		}
		if width == 0 {
			for i < len(f) && f[i] == '-' {
				minus, i = true, i+1
			}
			if i < len(f) && f[i] == '*' {
				i++
				v, t, ok := take(next)
				if next++; !ok {
					return bad("too few arguments for format()")
				}
				n, err := Coerce(v, t, fqgw.Int4, env)
				if err != nil {
					return fqgw.Null, err
				}
				width = int(n.Int())
				minus, width = minus || width < 0, max(width, -width)
			} else if n, ok := number(); ok {
				width = n
			}
		}
		if i >= len(f) {
			return bad("unterminated format() type specifier")
		}
		if width > maxText/4 {
			return fqgw.Null, errTooLong()
		}
		if at == 0 {
			at = next
		}
		next = at + 1
		v, t, ok := take(at)
		if !ok && strings.IndexByte("sIL", f[i]) >= 0 {
			return bad("too few arguments for format()")
		}
		s := Text(v, t, env)
		switch f[i] {
		case 's':
		case 'I':
			if v.IsNull() {
				return fqgw.Null, fqgw.Errorf("22004", "null values cannot be formatted as an SQL identifier")
			}
			s = QuoteIdent(s)
		case 'L':
			if s = QuoteLiteral(s); v.IsNull() {
				s = "NULL"
			}
		default:
			r, _ := utf8.DecodeRuneInString(f[i:])
			return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "unrecognized format() type specifier \"%c\"", r).
				WithHint("For a single \"%%\" use \"%%%%\".")
		}
		fill := strings.Repeat(" ", max(width-runeCount(s), 0))
		if minus {
			b.WriteString(s + fill)
		} else {
			b.WriteString(fill + s)
		}
		if b.Len() > maxText {
			return fqgw.Null, errTooLong()
		}
	}
	return fqgw.TextValue(b.String()), nil
}

func quoteNullable(env *fqgw.Env, types []fqgw.Type, args []value) (value, error) {
	if args[0].IsNull() {
		return fqgw.TextValue("NULL"), nil
	}
	return fqgw.TextValue(QuoteLiteral(castText(args[0], types[0], env))), nil
}

func chr(a value) (value, error) {
	n := a.Int()
	switch {
	case n == 0:
		return fqgw.Null, fqgw.Errorf("54000", "null character not permitted")
	case n < 0:
		return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "character number must be positive")
	case n > utf8.MaxRune:
		return fqgw.Null, fqgw.Errorf("54000", "requested character too large for encoding: %d", n)
	case !utf8.ValidRune(rune(n)):
		return fqgw.Null, fqgw.Errorf("54000", "requested character not valid for encoding: %d", n)
	}
	return fqgw.TextValue(string(rune(n))), nil
}

func ascii(s string) int {
	if s == "" {
		return 0
	}
	r, _ := utf8.DecodeRuneInString(s)
	return int(r)
}

func encode(a, b value) (value, error) {
	switch s := a.Str(); strings.ToLower(b.Str()) {
	case "hex":
		return fqgw.TextValue(hex.EncodeToString([]byte(s))), nil
	case "base64":
		e := base64.StdEncoding.EncodeToString([]byte(s))
		var out strings.Builder
		for len(e) > 76 {
			out.WriteString(e[:76] + "\n")
			e = e[76:]
		}
		return fqgw.TextValue(out.String() + e), nil
	case "escape":
		var out strings.Builder
		for i := 0; i < len(s); i++ {
			switch c := s[i]; {
			case c == 0 || c >= 0x80:
				out.WriteString(`\` + string([]byte{'0' + c>>6, '0' + c>>3&7, '0' + c&7}))
			case c == '\\':
				out.WriteString(`\\`)
			default:
				out.WriteByte(c)
			}
		}
		return fqgw.TextValue(out.String()), nil
	}
	return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "unrecognized encoding: \"%s\"", b.Str())
}

func decode(a, b value) (value, error) {
	switch strings.ToLower(b.Str()) {
	case "hex":
		return decodeHex(a.Str())
	case "base64":
		s := strings.Map(func(r rune) rune {
			if r < 128 && isSpace(byte(r)) {
				return -1
			}
			return r
		}, a.Str())
		out, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "invalid base64 end sequence").
				WithHint("Input data is missing padding, is truncated, or is otherwise corrupted.")
		}
		return fqgw.BytesValue(string(out)), nil
	case "escape":
		return decodeEscape(a.Str(), func() *fqgw.Error {
			return fqgw.Errorf(fqgw.CodeInvalidText, "invalid input syntax for type %s", "bytea")
		})
	}
	return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "unrecognized encoding: \"%s\"", b.Str())
}

func trimWith(f func(s, cut string) string) func(string, string) string {
	return func(s, cut string) string {
		if cut == "" {
			return s
		}
		return f(s, cut)
	}
}

func trimSpaces(f func(s, cut string) string) func(string) string {
	return func(s string) string { return f(s, " ") }
}

func toHex(bits uint) func(value) value {
	return func(v value) value { return fqgw.TextValue(strconv.FormatUint(uint64(v.Int())&(1<<bits-1), 16)) }
}

func md5Text(s string) string { sum := md5.Sum([]byte(s)); return hex.EncodeToString(sum[:]) }

func textFuncs() []def {
	length := func(s string) int { return runeCount(s) }
	padded := func(s string) int { return runeCount(strings.TrimRight(s, " ")) }
	octets := func(s string) int { return len(s) }
	hash := func(f func([]byte) []byte) func(value) value {
		return func(v value) value { return fqgw.BytesValue(string(f([]byte(v.Str())))) }
	}
	return []def{
		{"length", "text int4", length}, {"length", "bpchar int4", padded}, {"length", "bytea int4", octets},
		{"char_length", "text int4", length}, {"char_length", "bpchar int4", padded},
		{"character_length", "text int4", length}, {"character_length", "bpchar int4", padded},
		{"octet_length", "text int4", octets}, {"octet_length", "bpchar int4", octets}, {"octet_length", "bytea int4", octets},
		{"bit_length", "text int4", func(s string) int { return 8 * len(s) }}, {"bit_length", "bytea int4", func(s string) int { return 8 * len(s) }},
		{"lower", "text text", lower}, {"upper", "text text", upper}, {"initcap", "text text", initcap},
		{"btrim", "text text", trimSpaces(strings.Trim)}, {"btrim", "text text text", trimWith(strings.Trim)},
		{"ltrim", "text text", trimSpaces(strings.TrimLeft)}, {"ltrim", "text text text", trimWith(strings.TrimLeft)},
		{"rtrim", "text text", trimSpaces(strings.TrimRight)}, {"rtrim", "text text text", trimWith(strings.TrimRight)},
		{"substr", "text int4 text", substr}, {"substr", "text int4 int4 text", substr},
		{"substring", "text int4 text", substr}, {"substring", "text int4 int4 text", substr},
		{"substr", "bytea int4 bytea", substr}, {"substr", "bytea int4 int4 bytea", substr},
		{"substring", "bytea int4 bytea", substr}, {"substring", "bytea int4 int4 bytea", substr},
		{"substring", "text text text", regexSubstring},
		{"left", "text int4 text", leftText}, {"right", "text int4 text", rightText},
		{"lpad", "text int4 text", pad(true)}, {"lpad", "text int4 text text", pad(true)},
		{"rpad", "text int4 text", pad(false)}, {"rpad", "text int4 text text", pad(false)},
		{"repeat", "text int4 text", repeatText}, {"replace", "text text text text", replaceText},
		{"translate", "text text text text", translate}, {"reverse", "text text", reverse},
		{"overlay", "text text int4 text", overlay}, {"pg_size_bytes", "text int8", sizeBytes}, {"overlay", "text text int4 int4 text", overlay},
		{"split_part", "text text int4 text", splitPart},
		{"position", "text text int4", positionOf}, {"strpos", "text text int4", positionOf},
		{"concat", "...any text|ns", concat}, {"concat_ws", "text ...any text|ns", concatWS},
		{"format", "text ...any text|ns", formatText}, {"format", "text text|ns", formatText},
		{"quote_ident", "text text", QuoteIdent}, {"quote_literal", "text text", QuoteLiteral},
		{"quote_literal", "anyelement text|s", func(env *fqgw.Env, t []fqgw.Type, a []value) (value, error) {
			return fqgw.TextValue(QuoteLiteral(castText(a[0], t[0], env))), nil
		}},
		{"quote_nullable", "text text|n", quoteNullable}, {"quote_nullable", "anyelement text|ns", quoteNullable},
		{"starts_with", "text text bool", strings.HasPrefix}, {"md5", "text text", md5Text}, {"md5", "bytea text", md5Text},
		{"sha256", "bytea bytea", hash(func(b []byte) []byte { s := sha256.Sum256(b); return s[:] })},
		{"sha512", "bytea bytea", hash(func(b []byte) []byte { s := sha512.Sum512(b); return s[:] })},
		{"sha224", "bytea bytea", hash(func(b []byte) []byte { s := sha256.Sum224(b); return s[:] })},
		{"sha384", "bytea bytea", hash(func(b []byte) []byte { s := sha512.Sum384(b); return s[:] })},
		{"chr", "int4 text", chr}, {"ascii", "text int4", ascii}, {"to_hex", "int4 text", toHex(32)}, {"to_hex", "int8 text", toHex(64)},
		{"encode", "bytea text text", encode}, {"decode", "text text bytea", decode},
		{"convert_from", "bytea name text", convertFrom}, {"convert_to", "text name bytea", func(a, b value) value { return fqgw.BytesValue(a.Str()) }},
		{"textcat", "text text text", func(a, b string) string { return a + b }},
		{"like", "name text bool", like}, {"notlike", "name text bool", not(like)}, {"like", "text text bool", like}, {"notlike", "text text bool", not(like)},
		{"like_escape", "text text text", func(a, b value) (value, error) {
			s, err := likeEscape(a.Str(), b.Str())
			return fqgw.TextValue(s), err
		}},
		{"similar_to_escape", "text text", similarTo}, {"similar_to_escape", "text text text", similarTo},
	}
}

func positionOf(a, b value) value { return fqgw.IntValue(int64(position(a.Str(), b.Str()))) }

func convertFrom(a, b value) (value, error) {
	if !utf8.ValidString(a.Str()) || strings.Contains(a.Str(), "\x00") {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeNotInRepertoire, "invalid byte sequence for encoding \"UTF8\"")
	}
	return fqgw.TextValue(a.Str()), nil
}

// overlay replaces a part of a string.
func overlay(args []value) (value, error) {
	s, by, start := args[0].Str(), args[1].Str(), args[2].Int()
	n := int64(runeCount(by))
	if len(args) == 4 {
		n = args[3].Int()
	}
	if start <= 0 {
		return fqgw.Null, fqgw.Errorf("22011", "negative substring length not allowed")
	}
	head := s[:runeIndex(s, int(start-1))]
	tail := s[runeIndex(s, int(max(start-1+n, 0))):]
	return fqgw.TextValue(head + by + tail), nil
}
