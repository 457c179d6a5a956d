package expr

import (
	"math"

	"github.com/fqgw/fqgw"
)

// The tags of nodes. A node that is missing (a bound of a slice) is tagNone.
const (
	tagNone       = '0'
	tagColumn     = 'c'
	tagConst      = 'k'
	tagFunction   = 'f'
	tagOperator   = 'o'
	tagConversion = 'v'
	tagAnd        = '&'
	tagOr         = '|'
	tagNot        = '!'
	tagNullTest   = 'n'
	tagBoolTest   = 'b'
	tagDistinct   = 'd'
	tagCase       = 'w'
	tagChoice     = 'W'
	tagFirstOf    = 'C'
	tagNullIf     = '='
	tagGreatest   = '>'
	tagLeast      = '<'
	tagIn         = 'i'
	tagAny        = 'y'
	tagAll        = 'Y'
	tagArray      = 'a'
	tagSubscript  = 's'
	tagRow        = 'r'
	tagField      = '.'
	tagRowTest    = 'R'

	// Of queries only: see Key.
	tagParam    = '$'
	tagSubquery = '('
)

// The letters of what the nodes count.
const (
	boolTests = "tTfFuU" // by BoolTestKind
	castPaths = "-=fat"  // by castPath
)

// maxTree is how deep a tree may be that is read: the parser's guard lets none be
// written that is deeper.
const maxTree = 10_000

// Decode is the tree that Encode wrote, over a row of those columns, whose names
// it prints. XX001 when the bytes are no such tree, or one that this release does
// not know.
func Decode(b []byte, columns []fqgw.Column) (fqgw.Expr, error) {
	r := decoder{Unpacker: fqgw.Unpack(b), columns: columns}
	if v := r.Byte(); v != treeVersion && !r.Bad() {
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "an expression is encoded in version %d, not %d", v, treeVersion)
	}
	e := r.node(false)
	if r.err == nil && (r.Bad() || r.Left() > 0) {
		r.err = fqgw.Errorf(fqgw.CodeDataCorrupted, "the encoding of an expression is damaged")
	}
	if r.err != nil {
		return nil, r.err
	}
	return e, nil
}

type decoder struct {
	fqgw.Unpacker
	columns []fqgw.Column
	depth   int
	err     error
}

// unknown says that the encoding may be right and names what is not there.
func (r *decoder) unknown(format string, args ...any) {
	if r.err == nil && !r.Bad() {
		r.err = fqgw.Errorf(fqgw.CodeDataCorrupted, "the encoding of an expression names "+format, args...).
			WithHint("It may be of another release.")
	}
	r.Fail()
}

func (r *decoder) flag() bool {
	switch r.Byte() {
	case '+':
		return true
	case '-':
		return false
	}
	r.Fail()
	return false
}

// letter is the index of a letter among those that may stand here.
func (r *decoder) letter(of string) int {
	c := r.Byte()
	for i := range len(of) {
		if of[i] == c {
			return i
		}
	}
	r.Fail()
	return 0
}

func (r *decoder) oid() uint32 {
	n := r.Uvarint()
	if n > math.MaxUint32 {
		r.Fail()
	}
	return uint32(n)
}

func (r *decoder) typ() fqgw.Type { return fqgw.Type{OID: r.oid(), Mod: r.Int32()} }

func (r *decoder) index() int {
	n := r.Uvarint()
	if n > math.MaxInt32 {
		r.Fail()
	}
	return int(n)
}

func (r *decoder) nodes() []fqgw.Expr {
	n := r.Length()
	out := make([]fqgw.Expr, 0, min(n, 64))
	for ; n > 0 && !r.Bad(); n-- {
		out = append(out, r.node(false))
	}
	return out
}

// some is nodes where there must be as many as least.
func (r *decoder) some(least int) []fqgw.Expr {
	list := r.nodes()
	if len(list) < least {
		r.Fail()
	}
	return list
}

// overload finds what the encoder wrote of one among those of its name.
func (r *decoder) overload(name string, among []*overload) *overload {
	args := make([]uint32, r.Length())
	for i := range args {
		args[i] = r.oid()
	}
	variadic := r.flag()
next:
	for _, o := range among {
		if len(o.args) != len(args) || o.variadic != variadic {
			continue
		}
		for i, t := range o.args {
			if t.OID != args[i] {
				continue next
			}
		}
		return o
	}
	types := make([]fqgw.Type, len(args))
	for i := range args {
		types[i] = fqgw.Type{OID: args[i], Mod: -1}
	}
	r.unknown("%s(%s), which is not there", name, typeNames(types))
	return &overload{}
}

func (r *decoder) comparison() comparison {
	op := r.String()
	c := comparison{op: op, over: r.overload(op, operators[op]), left: r.typ(), right: r.typ()}
	if !r.Bad() && (c.over.result != fqgw.Bool || c.over.f2 == nil) {
		r.Fail()
	}
	return c
}

func (r *decoder) comparisons() []comparison {
	var out []comparison
	for n := r.Length(); n > 0 && !r.Bad(); n-- {
		out = append(out, r.comparison())
	}
	return out
}

func (r *decoder) whens() (list []When, els fqgw.Expr) {
	for n := r.Length(); n > 0 && !r.Bad(); n-- {
		list = append(list, When{Cond: r.node(false), Result: r.node(false)})
	}
	return list, r.node(false)
}

// node reads a node; nil only where one may be missing.
func (r *decoder) node(optional bool) fqgw.Expr {
	if r.depth++; r.depth > maxTree {
		r.Fail()
	}
	defer func() { r.depth-- }()
	tag := r.Byte()
	if tag == tagNone {
		if !optional && r.depth > 1 {
			r.Fail()
		}
		return nil
	}
	if e := r.tagged(tag); !r.Bad() {
		return e
	}
	return &Const{Typ: fqgw.Unknown} // of a tree that is thrown away
}

func (r *decoder) tagged(tag byte) fqgw.Expr {
	switch tag {
	case tagColumn:
		return r.column()
	case tagConst:
		return r.constant()
	case tagFunction, tagOperator:
		return r.call(tag == tagOperator)
	case tagConversion:
		c := &Conversion{path: castPath(r.letter(castPaths)), Assigned: r.flag(), To: r.typ(), Arg: r.node(false)}
		if c.path == funcPath && !r.Bad() {
			c.direct = directCast(c.Arg.Type(), c.To)
		}
		return c
	case tagAnd, tagOr:
		return &Logic{Or: tag == tagOr, Args: r.some(2)}
	case tagNot:
		return &Negation{Arg: r.node(false)}
	case tagNullTest:
		return &NullTest{Not: r.flag(), Arg: r.node(false)}
	case tagBoolTest:
		return &BooleanTest{Kind: BoolTestKind(r.letter(boolTests)), Arg: r.node(false)}
	case tagDistinct:
		return &Distinct{Not: r.flag(), cmp: r.comparison(), Left: r.node(false), Right: r.node(false)}
	case tagAny, tagAll:
		a := &AnyOf{All: tag == tagAll, cmp: r.comparison(), Left: r.node(false), Array: r.node(false)}
		a.Operator = a.cmp.op
		return a
	case tagIn:
		in := &In{Not: r.flag(), cmp: r.comparison(), Left: r.node(false), Items: r.some(1)}
		if !r.Bad() {
			in.index()
		}
		return in
	case tagRowTest:
		return r.rowTest()
	case tagCase:
		c := &CaseExpr{typ: r.typ()}
		c.Whens, c.Else = r.whens()
		return c
	case tagChoice:
		c := &Choice{typ: r.typ(), cmps: r.comparisons(), Arg: r.node(false)}
		if c.Whens, c.Else = r.whens(); len(c.cmps) != len(c.Whens) {
			r.Fail()
		}
		return c
	case tagFirstOf:
		return &FirstOf{typ: r.typ(), Args: r.some(1)}
	case tagNullIf:
		return &NullIfEqual{cmp: r.comparison(), Left: r.node(false), Right: r.node(false)}
	case tagGreatest, tagLeast:
		return &Extreme{Least: tag == tagLeast, typ: r.typ(), less: r.comparison(), Args: r.some(1)}
	case tagArray:
		return &ArrayExpr{Nested: r.flag(), typ: r.typ(), Args: r.nodes()}
	case tagSubscript:
		return r.subscript()
	case tagRow:
		x := &RowExpr{Missing: r.flag()}
		for n := r.Length(); n > 0 && !r.Bad(); n-- {
			x.Names = append(x.Names, r.String())
		}
		if x.Args = r.nodes(); x.Names != nil && len(x.Names) != len(x.Args) {
			r.Fail()
		}
		return x
	case tagField:
		return &FieldExpr{Index: r.index(), Name: r.String(), Typ: r.typ(), Arg: r.node(false)}
	}
	r.unknown("a node of kind %q, which is not there", tag)
	return nil
}

func (r *decoder) column() fqgw.Expr {
	c := &Column{Index: r.index(), Typ: r.typ()}
	switch {
	case r.Bad():
	case c.Index >= len(r.columns):
		r.unknown("column %d of a row of %d", c.Index+1, len(r.columns))
	case r.columns[c.Index].Type != c.Typ:
		r.unknown("column \"%s\" with the type %s, not %s", r.columns[c.Index].Name, c.Typ, r.columns[c.Index].Type)
	default:
		c.Name = r.columns[c.Index].Name
	}
	return c
}

func (r *decoder) constant() fqgw.Expr {
	k := &Const{Typ: r.typ(), Val: r.Value()}
	if !k.Val.IsNull() && k.Val.Kind() != k.Typ.Kind() {
		r.Fail()
	}
	return k
}

func (r *decoder) call(operator bool) fqgw.Expr {
	c := &Call{Name: r.String(), Operator: operator}
	// Which operators there are is decided by how many operands: so many as its overload has.
	among := functions[c.Name]
	if operator {
		among = append(prefixes[c.Name][:len(prefixes[c.Name]):len(prefixes[c.Name])], operators[c.Name]...)
	}
	c.over, c.Spread, c.typ, c.Args = r.overload(c.Name, among), r.flag(), r.typ(), r.nodes()
	if r.Bad() {
		return nil
	}
	if _, ok := c.over.layout(len(c.Args), c.Spread); !ok {
		r.Fail()
	}
	c.varies = c.typ.Size() < 0
	return c
}

func (r *decoder) rowTest() fqgw.Expr {
	t := &RowTest{Operator: r.String()}
	t.row = rowComparison{op: t.Operator, eq: r.comparisons(), less: r.comparisons()}
	t.Left, t.Right = r.some(1), r.some(1)
	if n := len(t.row.eq); n != len(t.Left) || n != len(t.Right) || t.row.less != nil && n != len(t.row.less) {
		r.Fail()
	}
	return t
}

func (r *decoder) subscript() fqgw.Expr {
	s := &SubscriptExpr{typ: r.typ(), Arg: r.node(false)}
	for n := r.Length(); n > 0 && !r.Bad(); n-- {
		b := Bounds{Slice: r.flag(), Lo: r.node(true), Hi: r.node(true)}
		if !b.Slice && (b.Lo == nil || b.Hi != nil) {
			r.Fail()
		}
		s.slice = s.slice || b.Slice
		s.Indexes = append(s.Indexes, b)
	}
	if len(s.Indexes) == 0 {
		r.Fail()
	}
	return s
}
