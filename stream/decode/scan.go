package decode

import (
	"encoding/binary"
	"math/bits"
)

// A scanner walks one JSON text (RFC 8259) and remembers where the wanted
// values lie. It checks everything that it passes over: a text that it accepts
// is valid JSON. It neither allocates nor converts.
type scanner struct {
	b    []byte
	i    int
	deep bool // it was nested deeper than maxDepth
}

// Kinds of a span, by what the value is.
const (
	absent   = 0
	plain    = '"' // a string without escapes
	escaped  = '\\'
	number   = '0'
	boolean  = 't'
	null     = 'n'
	object   = '{'
	sequence = '['
)

// span is the place of a value in the text: without the quotes for strings.
type span struct {
	from, to int
	kind     byte
}

// maxDepth bounds nesting, as encoding/json does; maxDocument that of a value of
// type json or jsonb, as planner/expr does.
const (
	maxDepth    = 10000
	maxDocument = 1000
)

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\n', '\t', '\r':
			s.i++
		default:
			return
		}
	}
}

// take consumes c after white space.
func (s *scanner) take(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c { // the usual case: no space
		s.i++
		return true
	}
	s.space()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// text consumes a string whose opening quote was taken.
func (s *scanner) text() (span, bool) {
	v := span{from: s.i, kind: plain}
	b := s.b
	for i := s.i; ; i++ {
		for i+8 <= len(b) { // eight at a time, up to one that says something
			at := special(binary.LittleEndian.Uint64(b[i:]))
			if i += at; at < 8 {
				break
			}
		}
		if i >= len(b) {
			break
		}
		switch c := b[i]; {
		case c == '"':
			v.to, s.i = i, i+1
			return v, true
		case c == '\\':
			v.kind = escaped
			if i++; i >= len(b) {
				s.i = i
				return v, false
			}
			switch b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if _, ok := hex4(b[i+1:]); !ok {
					s.i = i
					return v, false
				}
				i += 4
			default:
				s.i = i
				return v, false
			}
		case c < ' ':
			s.i = i
			return v, false
		}
	}
	s.i = len(b)
	return v, false
}

// special is the index of the first of eight bytes that ends a run of plain characters
// of a string: a quote, a backslash or a control character; 8 if there is none.
func special(x uint64) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, slash := x^ones*'"', x^ones*'\\'
	return bits.TrailingZeros64(((quote-ones)&^quote|(slash-ones)&^slash|(x-ones*' ')&^x)&highs) / 8
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

func (s *scanner) digits() bool {
	from := s.i
	for s.i < len(s.b) && s.b[s.i]-'0' <= 9 {
		s.i++
	}
	return s.i > from
}

func (s *scanner) number() (span, bool) {
	v := span{from: s.i, kind: number}
	if s.b[s.i] == '-' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++
	} else if !s.digits() {
		return v, false
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		if s.i++; !s.digits() {
			return v, false
		}
	}
	if s.i < len(s.b) && s.b[s.i]|0x20 == 'e' {
		if s.i++; s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		if !s.digits() {
			return v, false
		}
	}
	v.to = s.i
	return v, true
}

func (s *scanner) word(w string, kind byte) (span, bool) {
	v := span{from: s.i, kind: kind}
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return v, false
	}
	s.i += len(w)
	v.to = s.i
	return v, true
}

// value consumes any value.
func (s *scanner) value(depth int) (span, bool) {
	s.space()
	if s.i >= len(s.b) {
		return span{}, false
	}
	switch c := s.b[s.i]; c {
	case '"':
		s.i++
		return s.text()
	case '{', '[':
		v := span{from: s.i, kind: c}
		ok := s.container(c, depth)
		v.to = s.i
		return v, ok
	case 't':
		return s.word("true", boolean)
	case 'f':
		return s.word("false", boolean)
	case 'n':
		return s.word("null", null)
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return s.number()
	}
	return span{}, false
}

func (s *scanner) container(open byte, depth int) bool {
	if depth >= maxDepth {
		s.deep = true
		return false
	}
	s.i++
	end := open + 2 // '}' and ']' lie two behind
	if s.take(end) {
		return true
	}
	for {
		if open == '{' {
			if !s.take('"') {
				return false
			}
			if _, ok := s.text(); !ok || !s.take(':') {
				return false
			}
		}
		if _, ok := s.value(depth + 1); !ok {
			return false
		}
		if s.take(',') {
			continue
		}
		return s.take(end)
	}
}

// fields consumes an object and puts the places of the wanted values into
// places, by column. Of a repeated field the last one wins, as a whole.
func (s *scanner) fields(want []field, places []span, depth int) bool {
	if s.deep = depth >= maxDepth; s.deep || !s.take('{') {
		return false
	}
	if s.take('}') {
		return true
	}
	next := 0 // producers keep to an order: the field after the one just seen comes first
	for {
		if !s.take('"') {
			return false
		}
		key, ok := s.text()
		if !ok || !s.take(':') {
			return false
		}
		f := s.match(want, key, &next)
		var v span
		if f != nil && len(f.inner) > 0 {
			for _, c := range f.below {
				places[c] = span{}
			}
			if s.space(); s.i < len(s.b) && s.b[s.i] == '{' {
				v = span{from: s.i, kind: object}
				ok = s.fields(f.inner, places, depth+1)
				v.to = s.i
			} else {
				v, ok = s.value(depth + 1)
			}
		} else {
			v, ok = s.value(depth + 1)
		}
		if !ok {
			return false
		}
		if f != nil {
			for _, c := range f.columns {
				places[c] = v
			}
		}
		if s.take(',') {
			continue
		}
		return s.take('}')
	}
}

func (s *scanner) match(want []field, key span, next *int) *field {
	name := s.b[key.from:key.to]
	if key.kind == escaped {
		var err error
		if name, err = unescape(nil, name); err != nil {
			return nil // no column has such a name
		}
	}
	for n, i := 0, *next; n < len(want); n, i = n+1, i+1 {
		if i >= len(want) {
			i = 0
		}
		if want[i].name == string(name) {
			*next = i + 1
			return &want[i]
		}
	}
	return nil
}

// valid says whether b is one JSON value.
func valid(b []byte) bool {
	s := scanner{b: b}
	if _, ok := s.value(0); !ok {
		return false
	}
	s.space()
	return s.i == len(b)
}
