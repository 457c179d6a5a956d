package decode

import (
	"cmp"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
)

// appendJSONB appends valid JSON as PostgreSQL prints jsonb, so that equal values
// are equal texts: the keys of an object by length and then by bytes, of equal
// ones the last; numbers as numeric; one space behind a comma and a colon.
func appendJSONB(dst, raw []byte) ([]byte, error) {
	c := canonical{scanner: scanner{b: raw}}
	return c.append(dst)
}

// canonical walks JSON that a scanner has accepted.
type canonical struct {
	scanner
	scratch []byte
}

// member is one of an object's, with its value as it is printed.
type member struct {
	key   string
	value []byte
}

func (c *canonical) append(dst []byte) ([]byte, error) {
	c.space()
	switch c.b[c.i] {
	case '{':
		return c.object(dst)
	case '[':
		return c.array(dst)
	case '"':
		c.i++
		s, err := c.string()
		return appendJSONString(dst, s), err
	}
	v, _ := c.value(0)
	if v.kind != number {
		return append(dst, c.b[v.from:v.to]...), nil
	}
	n, ok := fqgw.ParseDecimal(string(c.b[v.from:v.to]))
	if !ok {
		return dst, fqgw.Errorf(fqgw.CodeOutOfRange, "value overflows numeric format")
	}
	return append(dst, n.String()...), nil
}

// string is the text of a string whose opening quote was taken.
func (c *canonical) string() (string, error) {
	v, _ := c.text()
	raw := c.b[v.from:v.to]
	if v.kind == escaped {
		var err error
		if c.scratch, err = unescape(c.scratch[:0], raw); err != nil {
			return "", err
		}
		raw = c.scratch
	}
	return string(raw), nil
}

func (c *canonical) array(dst []byte) ([]byte, error) {
	c.i++
	dst = append(dst, '[')
	for n := 0; !c.take(']'); n++ {
		if n > 0 {
			c.take(',')
			dst = append(dst, ", "...)
		}
		var err error
		if dst, err = c.append(dst); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func (c *canonical) object(dst []byte) ([]byte, error) {
	c.i++
	var members []member
	for !c.take('}') {
		if len(members) > 0 {
			c.take(',')
		}
		c.take('"')
		key, err := c.string()
		if err != nil {
			return dst, err
		}
		c.take(':')
		value, err := c.append(nil)
		if err != nil {
			return dst, err
		}
		members = append(members, member{key, value})
	}
	slices.SortStableFunc(members, func(a, b member) int {
		return cmp.Or(cmp.Compare(len(a.key), len(b.key)), strings.Compare(a.key, b.key))
	})
	dst = append(dst, '{')
	first := true
	for i, m := range members {
		if i+1 < len(members) && members[i+1].key == m.key {
			continue // a later one of the same name
		}
		if !first {
			dst = append(dst, ", "...)
		}
		first = false
		dst = append(append(appendJSONString(dst, m.key), ": "...), m.value...)
	}
	return append(dst, '}'), nil
}

// appendJSONString quotes a text as PostgreSQL's escape_json does.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch j := strings.IndexByte("\"\\\b\f\n\r\t", c); {
		case j >= 0:
			dst = append(dst, '\\', `"\bfnrt`[j])
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
