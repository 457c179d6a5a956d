package expr

import (
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
)

// appendArray prints {a,b}, quoting what would read back as something else; the
// catalog's vectors print their items apart by spaces.
func appendArray(b []byte, l *fqgw.List, t fqgw.Type, env *fqgw.Env) []byte {
	elem := l.Elem
	if e := t.Elem(); e.OID != 0 {
		elem = e.Base()
	}
	if t.Base() == fqgw.Int2Vector || t.Base() == fqgw.OIDVector {
		for i, v := range l.Items {
			if i > 0 {
				b = append(b, ' ')
			}
			b = AppendText(b, v, elem, env)
		}
		return b
	}
	d := dims(l)
	if d == nil {
		return append(b, '{', '}')
	}
	at := 0
	var level func(dim int)
	level = func(dim int) {
		b = append(b, '{')
		for k := range d[dim] {
			if k > 0 {
				b = append(b, ',')
			}
			if dim < len(d)-1 {
				level(dim + 1)
				continue
			}
			b = appendItem(b, l.Items[at], elem, env)
			at++
		}
		b = append(b, '}')
	}
	level(0)
	return b
}

func appendItem(b []byte, v value, elem fqgw.Type, env *fqgw.Env) []byte {
	if v.IsNull() {
		return append(b, "NULL"...)
	}
	s := Text(v, elem, env)
	if s != "" && !strings.EqualFold(s, "null") && !strings.ContainsAny(s, "{},\"\\ \t\n\r\v\f") {
		return append(b, s...)
	}
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// appendRecord prints (a,b).
func appendRecord(b []byte, v value, env *fqgw.Env) []byte {
	b = append(b, '(')
	for i, f := range v.Fields() {
		if i > 0 {
			b = append(b, ',')
		}
		if f.IsNull() {
			continue
		}
		s := Text(f, v.RowType().Type(i), env)
		if s != "" && !strings.ContainsAny(s, "(),\"\\ \t\n\r\v\f") {
			b = append(b, s...)
			continue
		}
		b = append(b, '"')
		for j := 0; j < len(s); j++ {
			if s[j] == '"' || s[j] == '\\' {
				b = append(b, s[j])
			}
			b = append(b, s[j])
		}
		b = append(b, '"')
	}
	return append(b, ')')
}

// arrayReader reads the text form of an array.
type arrayReader struct {
	text  string
	at    int
	elem  fqgw.Type
	dims  []int
	items []string
	nulls []bool
}

func (in *input) array(s string, t fqgw.Type) (value, error) {
	if t.Base() == fqgw.Int2Vector || t.Base() == fqgw.OIDVector {
		l := &fqgw.List{Elem: t.Elem().Base()}
		for _, w := range strings.Fields(s) {
			v, err := in.parse(w, l.Elem)
			if err != nil {
				return fqgw.Null, err
			}
			l.Items = append(l.Items, v)
		}
		return fqgw.ListValue(l), nil
	}
	r := &arrayReader{text: s, elem: t.Elem().Base()}
	r.space()
	if err := r.bounds(); err != nil {
		return fqgw.Null, err
	}
	if r.peek() != '{' {
		return fqgw.Null, r.malformed("Array value must start with \"{\" or dimension information.")
	}
	if err := r.level(0); err != nil {
		return fqgw.Null, err
	}
	if r.space(); r.at < len(s) {
		return fqgw.Null, r.malformed("Junk after closing right brace.")
	}
	l := &fqgw.List{Elem: r.elem, Items: make([]value, len(r.items))}
	for i, item := range r.items {
		if r.nulls[i] {
			continue
		}
		v, err := in.parse(item, r.elem)
		if err != nil {
			return fqgw.Null, err
		}
		l.Items[i] = v
	}
	if len(r.dims) > 1 && len(r.items) > 0 {
		l.Dims = r.dims
	}
	return fqgw.ListValue(l), nil
}

func (r *arrayReader) malformed(detail string) *fqgw.Error {
	return fqgw.Errorf(fqgw.CodeInvalidText, "malformed array literal: \"%s\"", r.text).WithDetail("%s", detail)
}

func (r *arrayReader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

func (r *arrayReader) space() {
	for r.at < len(r.text) && isSpace(r.text[r.at]) {
		r.at++
	}
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// bounds skips [1:3]=; only lower bounds of 1 can be kept.
func (r *arrayReader) bounds() error {
	if r.peek() != '[' {
		return nil
	}
	i := strings.IndexByte(r.text, '=')
	if i < 0 {
		return r.malformed("Missing \"=\" after array dimensions.")
	}
	for _, p := range strings.Split(strings.Trim(strings.TrimSpace(r.text[r.at:i]), "[]"), "][") {
		lo, _, ok := strings.Cut(p, ":")
		if n, err := strconv.Atoi(strings.TrimSpace(lo)); ok && (err != nil || n != 1) {
			return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "arrays whose lower bound is not 1 are not supported")
		}
	}
	r.at = i + 1
	r.space()
	return nil
}

const maxArrayDims = 6

// level reads one { … }.
func (r *arrayReader) level(dim int) error {
	if dim >= maxArrayDims {
		return fqgw.Errorf(fqgw.CodeLimitExceeded, "number of array dimensions (%d) exceeds the maximum allowed (%d)", dim+1, maxArrayDims)
	}
	first := dim >= len(r.dims)
	if first {
		r.dims = append(r.dims, -1)
	}
	r.at++
	n, nested := 0, false
	for {
		r.space()
		switch c := r.peek(); {
		case c == 0:
			return r.malformed("Unexpected end of input.")
		case c == '}' && n == 0 && dim == 0:
			r.at++
			return r.close(dim, 0)
		case c == '{':
			if n > 0 && !nested || dim+1 >= len(r.dims) && len(r.items) > 0 {
				return r.malformed("Unexpected \"{\" character.")
			}
			nested = true
			if err := r.level(dim + 1); err != nil {
				return err
			}
		default:
			if nested || dim+1 < len(r.dims) {
				return r.malformed("Multidimensional arrays must have sub-arrays with matching dimensions.")
			}
			if err := r.item(); err != nil {
				return err
			}
		}
		n++
		r.space()
		switch r.peek() {
		case ',':
			r.at++
			if r.space(); r.peek() == '}' {
				return r.malformed("Unexpected \"}\" character.")
			}
		case '}':
			r.at++
			return r.close(dim, n)
		case 0:
			return r.malformed("Unexpected end of input.")
		default:
			return r.malformed("Unexpected array element.")
		}
	}
}

func (r *arrayReader) close(dim, n int) error {
	if r.dims[dim] >= 0 && r.dims[dim] != n {
		return r.malformed("Multidimensional arrays must have sub-arrays with matching dimensions.")
	}
	r.dims[dim] = n
	return nil
}

// item reads one element, quoted or bare.
func (r *arrayReader) item() error {
	var b strings.Builder
	trim := 0
	if r.peek() == '"' {
		for r.at++; ; r.at++ {
			c := r.peek()
			if r.at >= len(r.text) {
				return r.malformed("Unexpected end of input.")
			}
			if c == '"' {
				r.at++
				break
			}
			if c == '\\' {
				if r.at++; r.at >= len(r.text) {
					return r.malformed("Unexpected end of input.")
				}
				c = r.text[r.at]
			}
			b.WriteByte(c)
		}
	} else {
		escaped := false
	bare:
		for ; r.at < len(r.text); r.at++ {
			switch c := r.text[r.at]; {
			case c == ',' || c == '}':
				break bare
			case c == '{' || c == '"':
				return r.malformed("Unexpected \"" + string(c) + "\" character.")
			case c == '\\':
				if r.at++; r.at >= len(r.text) {
					return r.malformed("Unexpected end of input.")
				}
				escaped = true
				b.WriteByte(r.text[r.at])
				trim = b.Len()
			default:
				b.WriteByte(c)
				if !isSpace(c) {
					trim = b.Len()
				}
			}
		}
		s := b.String()[:trim]
		if s == "" {
			return r.malformed("Unexpected \"" + string(r.peek()) + "\" character.")
		}
		if strings.EqualFold(s, "null") && !escaped {
			r.items, r.nulls = append(r.items, ""), append(r.nulls, true)
			return nil
		}
		b.Reset()
		b.WriteString(s)
	}
	r.items, r.nulls = append(r.items, b.String()), append(r.nulls, false)
	return nil
}
