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

// node writes a node.
func (w *encoder) node(e fqgw.Expr) {
	switch n := e.(type) {
	case nil:
		w.byte(tagNone)
	case node:
		n.encode(w)
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
