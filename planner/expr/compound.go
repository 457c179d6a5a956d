package expr

import (
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
)

// ArrayExpr is ARRAY[…].
type ArrayExpr struct {
	Args   []fqgw.Expr
	Nested bool // the arguments are arrays: one dimension more
	typ    fqgw.Type
}

// Array is ARRAY[items…] with the common type of its items; 42P18 when empty.
func Array(items []fqgw.Expr) (fqgw.Expr, error) {
	if len(items) == 0 {
		return nil, fqgw.Errorf(fqgw.CodeIndeterminateType, "cannot determine type of empty array").
			WithHint("Explicitly cast to the desired type, for example ARRAY[]::integer[].")
	}
	items, t, err := Common(items, "ARRAY")
	if err != nil {
		return nil, err
	}
	return arrayOf(items, t)
}

// ArrayOf is ARRAY[items…]::elem[]: each item is cast to elem by itself.
func ArrayOf(items []fqgw.Expr, elem fqgw.Type) (fqgw.Expr, error) {
	out := make([]fqgw.Expr, len(items))
	for i, e := range items {
		if e.Type().IsArray() && !elem.IsArray() {
			elem := elem.Array()
			c, err := Cast(e, elem, Explicit)
			if err != nil {
				return nil, err
			}
			out[i] = c
			continue
		}
		c, err := Cast(e, elem, Explicit)
		if err != nil {
			return nil, err
		}
		out[i] = c
	}
	if len(out) > 0 && out[0].Type().IsArray() {
		return arrayOf(out, out[0].Type())
	}
	return arrayOf(out, elem)
}

func arrayOf(items []fqgw.Expr, elem fqgw.Type) (fqgw.Expr, error) {
	a := &ArrayExpr{Args: items, typ: elem.Array()}
	if elem.IsArray() {
		a.Nested, a.typ = true, elem
	}
	if a.typ.OID == 0 {
		return nil, noArrayType(elem)
	}
	return a, nil
}

func (a *ArrayExpr) Type() fqgw.Type { return a.typ }

func (a *ArrayExpr) Eval(env *fqgw.Env, row []value) (value, error) {
	l := &fqgw.List{Elem: a.typ.Elem().Base(), Items: make([]value, 0, len(a.Args))}
	for i, e := range a.Args {
		v, err := e.Eval(env, row)
		if err != nil {
			return fqgw.Null, err
		}
		if !a.Nested {
			l.Items = append(l.Items, v)
			continue
		}
		var in []int
		if !v.IsNull() {
			in = dims(v.List())
			l.Items = append(l.Items, v.List().Items...)
		}
		if i == 0 {
			l.Dims = append([]int{len(a.Args)}, in...)
		} else if !equalInts(l.Dims[1:], in) {
			return fqgw.Null, fqgw.Errorf("2202E", "multidimensional arrays must have array expressions with matching dimensions")
		}
	}
	if a.Nested && len(l.Items) == 0 {
		l.Dims = nil
	}
	v := fqgw.ListValue(l)
	return v, fits(env, v)
}

func (a *ArrayExpr) String() string {
	return "ARRAY[" + join(a.Args, ", ") + "]::" + typeSQL(a.typ)
}

func (a *ArrayExpr) operands() (fqgw.Expr, []*fqgw.Expr) {
	c := *a
	return &c, pointers(&c.Args)
}

func (a *ArrayExpr) encode(w *encoder) {
	w.byte(tagArray)
	w.flag(a.Nested)
	w.typ(a.typ)
	w.nodes(a.Args)
}

// dims are the lengths of a list's dimensions, none when it is empty.
func dims(l *fqgw.List) []int {
	switch {
	case len(l.Items) == 0:
		return nil
	case l.Dims == nil:
		return []int{len(l.Items)}
	}
	return l.Dims
}

func equalInts(a, b []int) bool {
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

// Bounds is one subscript: an index, or a slice lo:hi whose ends may be nil.
type Bounds struct {
	Lo, Hi fqgw.Expr
	Slice  bool
}

// SubscriptExpr is array[i] or array[lo:hi].
type SubscriptExpr struct {
	Arg     fqgw.Expr
	Indexes []Bounds
	typ     fqgw.Type
	slice   bool
}

// Subscript is e[…]; 42804 when e is not an array or an index not an integer.
func Subscript(e fqgw.Expr, indexes ...Bounds) (fqgw.Expr, error) {
	t := e.Type()
	letters := t == fqgw.Name && len(indexes) == 1 // a name is an array of 64 bytes
	if !t.IsArray() && !letters {
		return nil, fqgw.Errorf(fqgw.CodeDatatypeMismatch, "cannot subscript type %s because it does not support subscripting", typeName(t))
	}
	s := &SubscriptExpr{Arg: e, typ: t.Elem()}
	for _, b := range indexes {
		for _, p := range []*fqgw.Expr{&b.Lo, &b.Hi} {
			if *p == nil {
				continue
			}
			c, err := Cast(*p, fqgw.Int4, Assignment)
			if err != nil {
				if (*p).Type() == fqgw.Unknown {
					return nil, err
				}
				return nil, fqgw.Errorf(fqgw.CodeDatatypeMismatch, "array subscript must have type integer")
			}
			*p = c
		}
		s.slice = s.slice || b.Slice
		s.Indexes = append(s.Indexes, b)
	}
	switch {
	case s.slice && letters:
		return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "slices of fixed-length arrays not implemented")
	case s.slice:
		s.typ = t
	case letters:
		s.typ = fqgw.CharType
	}
	return s, nil
}

// letter is the byte of a name at an index from 0 on.
func (s *SubscriptExpr) letter(name string, env *fqgw.Env, row []value) (value, error) {
	x, err := s.Indexes[0].Lo.Eval(env, row)
	switch {
	case err != nil || x.IsNull() || x.Int() < 0 || x.Int() >= 64:
		return fqgw.Null, err
	case x.Int() >= int64(len(name)):
		return fqgw.TextValue(""), nil
	}
	return fqgw.TextValue(name[x.Int() : x.Int()+1]), nil
}

func (s *SubscriptExpr) Type() fqgw.Type { return s.typ }

func (s *SubscriptExpr) Eval(env *fqgw.Env, row []value) (value, error) {
	v, err := s.Arg.Eval(env, row)
	if err != nil || v.IsNull() {
		return fqgw.Null, err
	}
	if s.Arg.Type() == fqgw.Name {
		return s.letter(v.Str(), env, row)
	}
	l := v.List()
	d := dims(l)
	base := lowerBound(s.Arg.Type())
	from, to := make([]int, len(s.Indexes)), make([]int, len(s.Indexes))
	for i, b := range s.Indexes {
		n := 0
		if i < len(d) {
			n = d[i]
		}
		from[i], to[i] = base, base+n-1
		for _, p := range []struct {
			e   fqgw.Expr
			out *int
		}{{b.Lo, &from[i]}, {b.Hi, &to[i]}} {
			if p.e == nil {
				continue
			}
			x, err := p.e.Eval(env, row)
			if err != nil || x.IsNull() {
				return fqgw.Null, err
			}
			*p.out = int(x.Int())
			if s.slice && !b.Slice { // a[2][1:3] means a[1:2][1:3]
				from[i], to[i] = base, int(x.Int())
			}
		}
	}
	if s.slice {
		return sliceList(l, d, from, to, base), nil
	}
	if len(s.Indexes) != len(d) {
		return fqgw.Null, nil
	}
	at := 0
	for i := range d {
		k := from[i] - base
		if k < 0 || k >= d[i] {
			return fqgw.Null, nil
		}
		at = at*d[i] + k
	}
	return l.Items[at], nil
}

// lowerBound is the first index of an array of type t: 0 for the catalog's vectors.
func lowerBound(t fqgw.Type) int {
	if t.Base() == fqgw.Int2Vector || t.Base() == fqgw.OIDVector {
		return 0
	}
	return 1
}

// sliceList cuts a box out of an array; outside of it is the empty array.
func sliceList(l *fqgw.List, d, from, to []int, base int) value {
	empty := fqgw.ListValue(&fqgw.List{Elem: l.Elem})
	if len(from) > len(d) {
		return empty
	}
	size := make([]int, len(d))
	lo := make([]int, len(d))
	for i := range d {
		hi := d[i] - 1
		if i < len(from) {
			lo[i], hi = max(from[i]-base, 0), min(to[i]-base, hi)
		}
		if size[i] = hi - lo[i] + 1; size[i] <= 0 {
			return empty
		}
	}
	out := &fqgw.List{Elem: l.Elem}
	if len(d) > 1 {
		out.Dims = size
	}
	var walk func(dim, at int)
	walk = func(dim, at int) {
		if dim == len(d) {
			out.Items = append(out.Items, l.Items[at])
			return
		}
		for k := range size[dim] {
			walk(dim+1, at*d[dim]+lo[dim]+k)
		}
	}
	walk(0, 0)
	return fqgw.ListValue(out)
}

func (s *SubscriptExpr) String() string {
	var b strings.Builder
	b.WriteString(wrap(s.Arg))
	for _, x := range s.Indexes {
		b.WriteByte('[')
		if x.Lo != nil {
			b.WriteString(x.Lo.String())
		}
		if x.Slice {
			b.WriteByte(':')
			if x.Hi != nil {
				b.WriteString(x.Hi.String())
			}
		}
		b.WriteByte(']')
	}
	return b.String()
}

func (s *SubscriptExpr) operands() (fqgw.Expr, []*fqgw.Expr) {
	c := *s
	c.Indexes = append([]Bounds(nil), s.Indexes...)
	out := []*fqgw.Expr{&c.Arg}
	for i := range c.Indexes {
		for _, p := range []*fqgw.Expr{&c.Indexes[i].Lo, &c.Indexes[i].Hi} {
			if *p != nil {
				out = append(out, p)
			}
		}
	}
	return &c, out
}

func (s *SubscriptExpr) encode(w *encoder) {
	w.byte(tagSubscript)
	w.typ(s.typ)
	w.node(s.Arg)
	w.uint(len(s.Indexes))
	for _, b := range s.Indexes {
		w.flag(b.Slice)
		w.node(b.Lo)
		w.node(b.Hi)
	}
}

// RowExpr is ROW(…).
type RowExpr struct {
	Args  []fqgw.Expr
	Names []string // of the fields of a relation's row; nil: f1, f2 …
	// Missing: the row of the nullable side of an outer join, which is NULL where
	// that has none. Such a row is told by having NULLs alone.
	Missing bool
}

// Row is ROW(fields…); unknown literals become text.
func Row(fields []fqgw.Expr) (fqgw.Expr, error) {
	out := make([]fqgw.Expr, len(fields))
	copy(out, fields)
	return &RowExpr{Args: out}, nil
}

func (r *RowExpr) Type() fqgw.Type { return fqgw.Record }

func (r *RowExpr) Eval(env *fqgw.Env, row []value) (value, error) {
	f, err := evalAll(r.Args, env, row)
	if err != nil || r.Missing && !slices.ContainsFunc(f, func(v value) bool { return !v.IsNull() }) {
		return fqgw.Null, err
	}
	return fqgw.RecordValue(&fqgw.RowType{Names: r.Names, Types: typesOf(r.Args)}, f), nil
}

func evalAll(args []fqgw.Expr, env *fqgw.Env, row []value) ([]value, error) {
	out := make([]value, len(args))
	for i, a := range args {
		v, err := a.Eval(env, row)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

func (r *RowExpr) String() string {
	s := "ROW(" + join(r.Args, ", ") + ")"
	if r.Names != nil {
		s += " AS (" + strings.Join(r.Names, ", ") + ")"
	}
	if r.Missing {
		return "NULLIF(" + s + ", NULL)"
	}
	return s
}

func (r *RowExpr) operands() (fqgw.Expr, []*fqgw.Expr) {
	c := *r
	return &c, pointers(&c.Args)
}

func (r *RowExpr) encode(w *encoder) {
	w.byte(tagRow)
	w.flag(r.Missing)
	w.uint(len(r.Names))
	for _, n := range r.Names {
		w.text(n)
	}
	w.nodes(r.Args)
}

// FieldExpr is one field of a record: (e).name.
type FieldExpr struct {
	Arg   fqgw.Expr
	Index int
	Typ   fqgw.Type
	Name  string
}

// Field is field index of the record e, whose type the binder knows.
func Field(e fqgw.Expr, index int, t fqgw.Type, name string) fqgw.Expr {
	return &FieldExpr{Arg: e, Index: index, Typ: t, Name: name}
}

func (f *FieldExpr) Type() fqgw.Type { return f.Typ }

func (f *FieldExpr) Eval(env *fqgw.Env, row []value) (value, error) {
	v, err := f.Arg.Eval(env, row)
	if err != nil || v.IsNull() || f.Index >= len(v.Fields()) {
		return fqgw.Null, err
	}
	return v.Fields()[f.Index], nil
}

func (f *FieldExpr) String() string { return "(" + f.Arg.String() + ")." + QuoteIdent(f.Name) }

func (f *FieldExpr) operands() (fqgw.Expr, []*fqgw.Expr) {
	c := *f
	return &c, []*fqgw.Expr{&c.Arg}
}

func (f *FieldExpr) encode(w *encoder) {
	w.byte(tagField)
	w.uint(f.Index)
	w.text(f.Name)
	w.typ(f.Typ)
	w.node(f.Arg)
}
