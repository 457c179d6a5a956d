package expr

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/fqgw/fqgw"
)

// jsonNode is one value of a JSON text.
type jsonNode struct {
	kind  byte   // '{' '[' '"' '0' 't' 'f' 'n'
	raw   string // the text it was read from
	str   string // of a string: decoded
	keys  []string
	items []*jsonNode
}

const maxJSONDepth = 1000

type jsonReader struct {
	text  string
	at    int
	depth int
}

// readJSON reads one JSON value; 22P02 when it is none, 54001 when it is nested too deeply.
func readJSON(s string) (*jsonNode, error) {
	r := &jsonReader{text: s}
	n, err := r.value()
	if err != nil {
		return nil, err
	}
	if r.space(); r.at < len(s) {
		return nil, r.bad()
	}
	return n, nil
}

func checkJSON(s string) error {
	_, err := readJSON(s)
	return err
}

func (r *jsonReader) space() {
	for r.at < len(r.text) && strings.IndexByte(" \t\n\r", r.text[r.at]) >= 0 {
		r.at++
	}
}

// bad is the error at the current token.
func (r *jsonReader) bad() *fqgw.Error {
	e := fqgw.Errorf(fqgw.CodeInvalidText, "invalid input syntax for type json")
	if r.at >= len(r.text) {
		return e.WithDetail("The input string ended unexpectedly.")
	}
	end := r.at + 1
	if c := r.text[r.at]; isAlpha(c) || isDigit(c) || c == '_' || c >= 0x80 {
		for end < len(r.text) && (isAlpha(r.text[end]) || isDigit(r.text[end]) || r.text[end] == '_' || r.text[end] >= 0x80) {
			end++
		}
	}
	return e.WithDetail("Token \"%s\" is invalid.", r.text[r.at:end])
}

func (r *jsonReader) value() (*jsonNode, error) {
	r.space()
	if r.at >= len(r.text) {
		return nil, r.bad()
	}
	if r.depth++; r.depth > maxJSONDepth {
		return nil, fqgw.Errorf(fqgw.CodeTooComplex, "JSON is nested more than %d levels deep", maxJSONDepth)
	}
	defer func() { r.depth-- }()
	start := r.at
	n := &jsonNode{kind: r.text[start]}
	var err error
	switch c := n.kind; {
	case c == '{':
		err = r.object(n)
	case c == '[':
		err = r.array(n)
	case c == '"':
		n.str, err = r.str()
	case c == '-' || isDigit(c):
		n.kind = '0'
		err = r.number()
	default:
		for _, w := range []string{"true", "false", "null"} {
			if rest := r.text[start:]; strings.HasPrefix(rest, w) && (len(rest) == len(w) || !isAlpha(rest[len(w)]) && !isDigit(rest[len(w)])) {
				r.at += len(w)
				n.kind, n.raw = w[0], w
				return n, nil
			}
		}
		return nil, r.bad()
	}
	if err != nil {
		return nil, err
	}
	n.raw = r.text[start:r.at]
	return n, nil
}

func (r *jsonReader) object(n *jsonNode) error {
	r.at++
	for first := true; ; first = false {
		r.space()
		if r.at >= len(r.text) {
			return r.bad()
		}
		if r.text[r.at] == '}' && first {
			r.at++
			return nil
		}
		if r.text[r.at] != '"' {
			return r.bad()
		}
		key, err := r.str()
		if err != nil {
			return err
		}
		if r.space(); r.at >= len(r.text) || r.text[r.at] != ':' {
			return r.bad()
		}
		r.at++
		item, err := r.value()
		if err != nil {
			return err
		}
		n.keys, n.items = append(n.keys, key), append(n.items, item)
		if done, err := r.next('}'); done || err != nil {
			return err
		}
	}
}

func (r *jsonReader) array(n *jsonNode) error {
	r.at++
	if r.space(); r.at < len(r.text) && r.text[r.at] == ']' {
		r.at++
		return nil
	}
	for {
		item, err := r.value()
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
		if done, err := r.next(']'); done || err != nil {
			return err
		}
	}
}

// next takes a comma, or the closing bracket.
func (r *jsonReader) next(end byte) (done bool, err error) {
	r.space()
	if r.at >= len(r.text) || r.text[r.at] != ',' && r.text[r.at] != end {
		return false, r.bad()
	}
	done = r.text[r.at] == end
	r.at++
	return done, nil
}

func (r *jsonReader) number() error {
	start := r.at
	digits := func() bool {
		from := r.at
		for r.at < len(r.text) && isDigit(r.text[r.at]) {
			r.at++
		}
		return r.at > from
	}
	fail := func() error { r.at = start; return r.bad() }
	if r.text[r.at] == '-' {
		r.at++
	}
	zero := r.at < len(r.text) && r.text[r.at] == '0'
	from := r.at
	if !digits() || zero && r.at-from > 1 {
		return fail()
	}
	if r.at < len(r.text) && r.text[r.at] == '.' {
		if r.at++; !digits() {
			return fail()
		}
	}
	if r.at < len(r.text) && (r.text[r.at] == 'e' || r.text[r.at] == 'E') {
		if r.at++; r.at < len(r.text) && (r.text[r.at] == '+' || r.text[r.at] == '-') {
			r.at++
		}
		if !digits() {
			return fail()
		}
	}
	if r.at < len(r.text) && (isAlpha(r.text[r.at]) || r.text[r.at] == '_') {
		return fail()
	}
	return nil
}

func (r *jsonReader) str() (string, error) {
	start := r.at
	for r.at++; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			return r.text[start+1 : r.at-1], nil
		case c == '\\':
			return r.escaped(start)
		case c < ' ':
			return "", fqgw.Errorf(fqgw.CodeInvalidText, "invalid input syntax for type json").WithDetail("Character with value 0x%02x must be escaped.", c)
		}
	}
	r.at = start
	return "", r.bad()
}

// escaped reads a string that has escapes, from its start.
func (r *jsonReader) escaped(start int) (string, error) {
	b := []byte(r.text[start+1 : r.at])
	for r.at < len(r.text) {
		c := r.text[r.at]
		switch {
		case c == '"':
			r.at++
			return string(b), nil
		case c < ' ':
			return "", fqgw.Errorf(fqgw.CodeInvalidText, "invalid input syntax for type json").WithDetail("Character with value 0x%02x must be escaped.", c)
		case c != '\\':
			b = append(b, c)
			r.at++
			continue
		}
		if r.at+1 >= len(r.text) {
			break
		}
		e := r.text[r.at+1]
		if i := strings.IndexByte(`"\/bfnrt`, e); i >= 0 {
			b = append(b, "\"\\/\b\f\n\r\t"[i])
			r.at += 2
			continue
		}
		u, ok := r.hex4(r.at)
		if !ok {
			return "", fqgw.Errorf(fqgw.CodeInvalidText, "invalid input syntax for type json").WithDetail("Escape sequence \"\\%c\" is invalid.", e)
		}
		r.at += 6
		if u == 0 {
			return "", fqgw.Errorf("22P05", "unsupported Unicode escape sequence").WithDetail("\\u0000 cannot be converted to text.")
		}
		if utf16.IsSurrogate(u) {
			low, ok := r.hex4(r.at)
			pair := utf16.DecodeRune(u, low)
			if !ok || pair == utf8.RuneError {
				return "", fqgw.Errorf(fqgw.CodeInvalidText, "invalid input syntax for type json").WithDetail("Unicode high surrogate must be followed by a low surrogate.")
			}
			r.at += 6
			u = pair
		}
		b = utf8.AppendRune(b, u)
	}
	r.at = start
	return "", r.bad()
}

// hex4 reads \uXXXX at an index.
func (r *jsonReader) hex4(at int) (rune, bool) {
	if at+6 > len(r.text) || r.text[at] != '\\' || r.text[at+1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(r.text[at+2:at+6], 16, 16)
	return rune(n), err == nil
}

// appendJSONString quotes a string for JSON.
func appendJSONString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch j := strings.IndexByte("\"\\\b\f\n\r\t", c); {
		case j >= 0:
			b = append(b, '\\', `"\bfnrt`[j])
		case c < ' ':
			b = append(b, `\u00`...)
			b = append(b, "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// parseJSONB reads jsonb into its canonical text.
func parseJSONB(s string) (value, error) {
	n, err := readJSON(s)
	if err != nil {
		return fqgw.Null, err
	}
	b, err := appendJSONB(nil, n)
	return fqgw.TextValue(string(b)), err
}

// appendJSONB prints a value as jsonb does: keys by length, then bytes, the last
// of equal ones; numbers as numeric.
func appendJSONB(b []byte, n *jsonNode) ([]byte, error) {
	var err error
	switch n.kind {
	case '"':
		return appendJSONString(b, n.str), nil
	case '0':
		d, ok := fqgw.ParseDecimal(n.raw)
		if !ok {
			return b, errNumericOverflow()
		}
		return append(b, d.String()...), nil
	case '[':
		b = append(b, '[')
		for i, item := range n.items {
			if i > 0 {
				b = append(b, ", "...)
			}
			if b, err = appendJSONB(b, item); err != nil {
				return b, err
			}
		}
		return append(b, ']'), nil
	case '{':
		b = append(b, '{')
		for i, k := range n.order() {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = append(appendJSONString(b, n.keys[k]), ": "...)
			if b, err = appendJSONB(b, n.items[k]); err != nil {
				return b, err
			}
		}
		return append(b, '}'), nil
	}
	return append(b, n.raw...), nil
}

// order are the indexes of an object's members as jsonb keeps them.
func (n *jsonNode) order() []int {
	last := map[string]int{}
	for i, k := range n.keys {
		last[k] = i
	}
	out := make([]int, 0, len(last))
	for _, i := range last {
		out = append(out, i)
	}
	sort.Slice(out, func(a, b int) bool {
		x, y := n.keys[out[a]], n.keys[out[b]]
		if len(x) != len(y) {
			return len(x) < len(y)
		}
		return x < y
	})
	return out
}

// member is the last member of that name; nil when there is none.
func (n *jsonNode) member(key string) *jsonNode {
	if n.kind != '{' {
		return nil
	}
	for i, k := range slices.Backward(n.keys) {
		if k == key {
			return n.items[i]
		}
	}
	return nil
}

// element is the array's element i; negative counts from the end.
func (n *jsonNode) element(i int64) *jsonNode {
	if n.kind != '[' {
		return nil
	}
	if i < 0 {
		i += int64(len(n.items))
	}
	if i < 0 || i >= int64(len(n.items)) {
		return nil
	}
	return n.items[i]
}

// text is what ->> gives: NULL for null, a string without its quotes.
func (n *jsonNode) text(jsonb bool) (value, error) {
	if n == nil || n.kind == 'n' {
		return fqgw.Null, nil
	}
	if n.kind == '"' {
		return fqgw.TextValue(n.str), nil
	}
	return n.json(jsonb)
}

// json is the value as JSON again.
func (n *jsonNode) json(jsonb bool) (value, error) {
	if n == nil {
		return fqgw.Null, nil
	}
	if !jsonb {
		return fqgw.TextValue(n.raw), nil
	}
	b, err := appendJSONB(nil, n)
	return fqgw.TextValue(string(b)), err
}
