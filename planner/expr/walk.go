package expr

import (
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
)

// node is an expression of this library.
type node interface {
	fqgw.Expr
	// operands gives pointers to the operands of the node, in a copy of it that may be
	// changed; a leaf is its own copy.
	operands() (fqgw.Expr, []*fqgw.Expr)
	// encode writes the node's tag, what it says of itself, and then its operands, as
	// decoder.tagged reads them.
	encode(w *encoder)
}

// children are the operands of a node.
func children(e fqgw.Expr) (fqgw.Expr, []*fqgw.Expr) {
	if n, ok := e.(node); ok {
		return n.operands()
	}
	return e, nil
}

func pointers(list *[]fqgw.Expr) []*fqgw.Expr {
	*list = append([]fqgw.Expr(nil), *list...)
	out := make([]*fqgw.Expr, len(*list))
	for i := range *list {
		out[i] = &(*list)[i]
	}
	return out
}

func whenPointers(list *[]When) []*fqgw.Expr {
	*list = append([]When(nil), *list...)
	var out []*fqgw.Expr
	for i := range *list {
		out = append(out, &(*list)[i].Cond, &(*list)[i].Result)
	}
	return out
}

// Walk calls f for e and what is below it, parents first; f says whether to go
// below. Sub-plans are not entered.
func Walk(e fqgw.Expr, f func(fqgw.Expr) bool) {
	if e == nil || !f(e) {
		return
	}
	_, kids := children(e)
	for _, k := range kids {
		Walk(*k, f)
	}
}

// Columns are the columns of its own row that e reads, each once, in the order in
// which it names them; sub-plans are not entered.
func Columns(e fqgw.Expr) []int {
	var out []int
	Walk(e, func(e fqgw.Expr) bool {
		if c, ok := e.(*Column); ok && c.Level == 0 && !slices.Contains(out, c.Index) {
			out = append(out, c.Index)
		}
		return true
	})
	return out
}

// Rewrite replaces the nodes of e from the leaves up: f gives a node's
// replacement, of the same type, or the node itself. e is not changed.
func Rewrite(e fqgw.Expr, f func(fqgw.Expr) fqgw.Expr) fqgw.Expr {
	if e == nil {
		return nil
	}
	c, kids := children(e)
	changed := false
	for _, k := range kids {
		n := Rewrite(*k, f)
		changed = changed || n != *k
		*k = n
	}
	if !changed {
		return f(e)
	}
	if in, ok := c.(*In); ok {
		in.set, in.null = nil, false
		in.index()
	}
	return f(c)
}

// Volatile says whether e has a function whose results differ from call to call.
func Volatile(e fqgw.Expr) bool {
	return has(e, func(e fqgw.Expr) bool {
		c, ok := e.(*Call)
		return ok && c.over.volatile
	})
}

// MentionsNow says whether e depends on T: now() and its kin, or a literal such
// as 'now' or 'today' that is read when it is evaluated.
func MentionsNow(e fqgw.Expr) bool {
	return has(e, func(e fqgw.Expr) bool {
		switch x := e.(type) {
		case *Call:
			return x.over.now
		case *Conversion:
			if k, ok := x.Arg.(*Const); ok && x.path == textPath && k.Val.Kind() == fqgw.KindText {
				return saysNow(k.Val.Str())
			}
		}
		return false
	})
}

// AsksSession says whether e depends on who asks: current_user, settings, the
// catalog.
func AsksSession(e fqgw.Expr) bool {
	return has(e, func(e fqgw.Expr) bool {
		c, ok := e.(*Call)
		return ok && c.over.session
	})
}

func saysNow(s string) bool {
	s = strings.ToLower(s)
	for _, w := range []string{"now", "today", "tomorrow", "yesterday"} {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// Immutable says whether e gives the same value for the same row in every
// session at every time; it may then be evaluated once with the zero Env.
func Immutable(e fqgw.Expr) bool {
	return !has(e, func(e fqgw.Expr) bool {
		switch x := e.(type) {
		case *Call:
			return x.over.volatile || x.over.stable
		case *Conversion:
			return !immutableCast(x.Arg.Type(), x.To, x.path)
		case *Param, *Subquery:
			return true
		}
		return false
	})
}

// HasSubquery says whether e has a subquery.
func HasSubquery(e fqgw.Expr) bool {
	return has(e, func(e fqgw.Expr) bool {
		_, ok := e.(*Subquery)
		return ok
	})
}

// Constant says whether e mentions no column, parameter or subquery.
func Constant(e fqgw.Expr) bool {
	return !has(e, func(e fqgw.Expr) bool {
		switch e.(type) {
		case *Column, *Param, *Subquery:
			return true
		}
		return false
	})
}

// MaxOuter is the greatest Level of a column in e, sub-plans not entered; 0 when
// e sees its own row alone.
func MaxOuter(e fqgw.Expr) int {
	n := 0
	Walk(e, func(e fqgw.Expr) bool {
		if c, ok := e.(*Column); ok {
			n = max(n, c.Level)
		}
		return true
	})
	return n
}

func has(e fqgw.Expr, p func(fqgw.Expr) bool) bool {
	found := false
	Walk(e, func(e fqgw.Expr) bool {
		found = found || p(e)
		return !found
	})
	return found
}
