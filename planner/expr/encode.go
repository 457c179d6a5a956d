package expr

import (
	"encoding/binary"
	"fmt"

	"github.com/fqgw/fqgw"
)

// The encoding of bound trees, in which definitions are kept and compared: a
// version, then the nodes from the root down, each a tag, what it says beside its
// operands, and these. It is canonical: trees are equal exactly when their bytes
// are. Nothing in it depends on how a tree prints or on the order of a table:
//
//   - a column is its index and type; its name is that of the row it stands over
//   - a constant is its type and its packed value
//   - a function or an operator is its name and the types that its overload
//     declares, pseudo-types too
//
// It outlives the process.
const treeVersion = 1

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

// Encode appends the encoding of a tree of a definition; nil is one too. A tree
// with what no definition has (a parameter, a subquery, a column of an enclosing
// query) is XX000.
func Encode(dst []byte, e fqgw.Expr) ([]byte, error) {
	w := encoder{b: append(dst, treeVersion)}
	w.node(e)
	return w.b, w.err
}

// Equal says whether two trees are the same, over rows with the columns of one type in
// the same places.
func Equal(a, b fqgw.Expr) bool { return Key(a) == Key(b) }

// Key tells the trees of one place in a statement apart: equal keys, equal trees. It is
// the encoding with what only queries have: parameters, columns of enclosing queries,
// and subqueries, which are told by their text. It does not outlive the process.
func Key(e fqgw.Expr) string {
	w := encoder{query: true}
	w.node(e)
	return string(w.b)
}

type encoder struct {
	b     []byte
	query bool // the tree is one of a query; see Key
	err   error
}

func (w *encoder) uint(n int)      { w.b = binary.AppendUvarint(w.b, uint64(n)) }
func (w *encoder) text(s string)   { w.b = fqgw.AppendString(w.b, s) }
func (w *encoder) byte(c byte)     { w.b = append(w.b, c) }
func (w *encoder) oid(t fqgw.Type) { w.b = binary.AppendUvarint(w.b, uint64(t.OID)) }

// either writes yes or no.
func (w *encoder) either(on bool, yes, no byte) {
	if on {
		w.byte(yes)
	} else {
		w.byte(no)
	}
}

func (w *encoder) flag(on bool) { w.either(on, '+', '-') }

func (w *encoder) typ(t fqgw.Type) {
	w.oid(t)
	w.b = binary.AppendVarint(w.b, int64(t.Mod))
}

func (w *encoder) nodes(list []fqgw.Expr) {
	w.uint(len(list))
	for _, e := range list {
		w.node(e)
	}
}

// overload is which of the functions of one name: its declared types, and
// whether the last may repeat.
func (w *encoder) overload(o *overload) {
	w.uint(len(o.args))
	for _, t := range o.args {
		w.oid(t)
	}
	w.flag(o.variadic)
}

func (w *encoder) comparison(c *comparison) {
	w.text(c.op)
	w.overload(c.over)
	w.typ(c.left)
	w.typ(c.right)
}

func (w *encoder) comparisons(list []comparison) {
	w.uint(len(list))
	for i := range list {
		w.comparison(&list[i])
	}
}

func (w *encoder) whens(list []When, els fqgw.Expr) {
	w.uint(len(list))
	for _, x := range list {
		w.node(x.Cond)
		w.node(x.Result)
	}
	w.node(els)
}

// node writes a node; what it says of itself goes before its operands.
func (w *encoder) node(e fqgw.Expr) {
	switch x := e.(type) {
	case nil:
		w.byte(tagNone)
	case *Column:
		w.byte(tagColumn)
		if w.query {
			w.uint(x.Level)
		} else if x.Level != 0 {
			w.refuse("a column of an enclosing query")
		}
		w.uint(x.Index)
		w.typ(x.Typ)
	case *Const:
		w.byte(tagConst)
		w.typ(x.Typ)
		w.b = fqgw.AppendPacked(w.b, x.Val)
	case *Call:
		w.either(x.Operator, tagOperator, tagFunction)
		w.text(x.Name)
		w.overload(x.over)
		w.flag(x.Spread)
		w.typ(x.typ)
		w.nodes(x.Args)
	case *Conversion:
		w.byte(tagConversion)
		w.byte(castPaths[x.path])
		w.flag(x.Assigned)
		w.typ(x.To)
		w.node(x.Arg)
	case *Logic:
		w.either(x.Or, tagOr, tagAnd)
		w.nodes(x.Args)
	case *Negation:
		w.byte(tagNot)
		w.node(x.Arg)
	case *NullTest:
		w.byte(tagNullTest)
		w.flag(x.Not)
		w.node(x.Arg)
	case *BooleanTest:
		w.byte(tagBoolTest)
		w.byte(boolTests[x.Kind])
		w.node(x.Arg)
	case *Distinct:
		w.byte(tagDistinct)
		w.flag(x.Not)
		w.comparison(&x.cmp)
		w.node(x.Left)
		w.node(x.Right)
	case *AnyOf:
		w.either(x.All, tagAll, tagAny)
		w.comparison(&x.cmp)
		w.node(x.Left)
		w.node(x.Array)
	case *In:
		w.byte(tagIn)
		w.flag(x.Not)
		w.comparison(&x.cmp)
		w.node(x.Left)
		w.nodes(x.Items)
	case *RowTest:
		w.byte(tagRowTest)
		w.text(x.Operator)
		w.comparisons(x.row.eq)
		w.comparisons(x.row.less)
		w.nodes(x.Left)
		w.nodes(x.Right)
	default:
		w.value(e)
	}
}

// value writes the nodes that choose a value or make one of several.
func (w *encoder) value(e fqgw.Expr) {
	switch x := e.(type) {
	case *CaseExpr:
		w.byte(tagCase)
		w.typ(x.typ)
		w.whens(x.Whens, x.Else)
	case *Choice:
		w.byte(tagChoice)
		w.typ(x.typ)
		w.comparisons(x.cmps)
		w.node(x.Arg)
		w.whens(x.Whens, x.Else)
	case *FirstOf:
		w.byte(tagFirstOf)
		w.typ(x.typ)
		w.nodes(x.Args)
	case *NullIfEqual:
		w.byte(tagNullIf)
		w.comparison(&x.cmp)
		w.node(x.Left)
		w.node(x.Right)
	case *Extreme:
		w.either(x.Least, tagLeast, tagGreatest)
		w.typ(x.typ)
		w.comparison(&x.less)
		w.nodes(x.Args)
	case *ArrayExpr:
		w.byte(tagArray)
		w.flag(x.Nested)
		w.typ(x.typ)
		w.nodes(x.Args)
	case *SubscriptExpr:
		w.byte(tagSubscript)
		w.typ(x.typ)
		w.node(x.Arg)
		w.uint(len(x.Indexes))
		for _, b := range x.Indexes {
			w.flag(b.Slice)
			w.node(b.Lo)
			w.node(b.Hi)
		}
	case *RowExpr:
		w.byte(tagRow)
		w.flag(x.Missing)
		w.uint(len(x.Names))
		for _, n := range x.Names {
			w.text(n)
		}
		w.nodes(x.Args)
	case *FieldExpr:
		w.byte(tagField)
		w.uint(x.Index)
		w.text(x.Name)
		w.typ(x.Typ)
		w.node(x.Arg)
	case *Param:
		if !w.query {
			w.refuse("a parameter")
			return
		}
		w.byte(tagParam)
		w.uint(x.Index)
		w.typ(x.Typ)
	case *Subquery:
		if !w.query {
			w.refuse("a subquery")
			return
		}
		w.byte(tagSubquery)
		w.text(x.String())
		w.nodes(x.Left)
	default:
		w.refuse("a node of another library")
		w.text(fmt.Sprintf("%p", e)) // it is equal to itself alone
	}
}

func (w *encoder) refuse(what string) {
	if w.err == nil {
		w.err = fqgw.Errorf(fqgw.CodeInternal, "a definition cannot have %s", what)
	}
}
