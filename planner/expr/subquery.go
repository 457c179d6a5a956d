package expr

import (
	"errors"
	"fmt"
	"io"

	"github.com/fqgw/fqgw"
)

// RowTest is (a, b) op (x, y).
type RowTest struct {
	Operator    string
	Left, Right []fqgw.Expr
	row         rowComparison
}

// rowComparison compares rows of one length by =, <>, <, <=, > or >=.
type rowComparison struct {
	op       string
	eq, less []comparison // less: the strict form of an ordering
}

// RowCompare is (left…) op (right…); 42601 when the lengths differ, 0A000 when
// op does not order rows.
func RowCompare(op string, left, right []fqgw.Expr) (fqgw.Expr, error) {
	if op == "!=" {
		op = "<>"
	}
	if len(left) != len(right) {
		return nil, fqgw.Errorf(fqgw.CodeSyntax, "unequal number of entries in row expressions")
	}
	if len(left) == 0 {
		return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "cannot compare rows of zero length")
	}
	rc, err := newRowComparison(op, typesOf(left), typesOf(right))
	if err != nil {
		return nil, err
	}
	t := &RowTest{Operator: op, row: rc}
	if t.Left, t.Right, err = rc.coerce(left, right); err != nil {
		return nil, err
	}
	return t, nil
}

func newRowComparison(op string, l, r []fqgw.Type) (rowComparison, error) {
	rc := rowComparison{op: op}
	strict := map[string]string{"<": "<", "<=": "<", ">": ">", ">=": ">"}[op]
	if strict == "" && op != "=" && op != "<>" {
		c, err := findOp(op, []fqgw.Type{l[0], r[0]})
		if err != nil {
			return rc, err
		}
		if c.over.result != fqgw.Bool {
			return rc, fqgw.Errorf(fqgw.CodeDatatypeMismatch, "row comparison operator must yield type boolean, not type %s", typeName(c.over.result))
		}
		return rc, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "could not determine interpretation of row comparison operator %s", op).
			WithHint("Row comparison operators must be associated with btree operator families.")
	}
	for i := range l {
		eq, err := compareBy("=", l[i], r[i])
		if err != nil {
			return rc, err
		}
		rc.eq = append(rc.eq, eq)
		if strict != "" {
			less, err := compareBy(strict, l[i], r[i])
			if err != nil {
				return rc, err
			}
			rc.less = append(rc.less, less)
		}
	}
	return rc, nil
}

func (rc *rowComparison) coerce(left, right []fqgw.Expr) (l, r []fqgw.Expr, err error) {
	for i := range left {
		a, err := Cast(left[i], rc.eq[i].left, Implicit)
		if err != nil {
			return nil, nil, err
		}
		l = append(l, a)
		if right == nil {
			continue
		}
		if a, err = Cast(right[i], rc.eq[i].right, Implicit); err != nil {
			return nil, nil, err
		}
		r = append(r, a)
	}
	return l, r, nil
}

// test compares two rows, three-valued.
func (rc *rowComparison) test(env *fqgw.Env, l, r []value) (value, error) {
	null := false
	for i := range l {
		same, err := rc.eq[i].test(env, l[i], r[i])
		if err != nil {
			return fqgw.Null, err
		}
		switch {
		case same.True():
			continue
		case rc.less != nil:
			if same.IsNull() {
				return fqgw.Null, nil
			}
			return rc.less[i].test(env, l[i], r[i])
		case same.IsNull():
			null = true
		default:
			return fqgw.BoolValue(rc.op == "<>"), nil
		}
	}
	if null {
		return fqgw.Null, nil
	}
	return fqgw.BoolValue(rc.op == "=" || rc.op == "<=" || rc.op == ">="), nil
}

func (t *RowTest) Type() fqgw.Type { return fqgw.Bool }

func (t *RowTest) Eval(env *fqgw.Env, row []value) (value, error) {
	l, err := evalAll(t.Left, env, row)
	if err != nil {
		return fqgw.Null, err
	}
	r, err := evalAll(t.Right, env, row)
	if err != nil {
		return fqgw.Null, err
	}
	return t.row.test(env, l, r)
}

func (t *RowTest) String() string {
	return "(ROW(" + join(t.Left, ", ") + ") " + t.Operator + " ROW(" + join(t.Right, ", ") + "))"
}

func (t *RowTest) operands() (fqgw.Expr, []*fqgw.Expr) {
	c := *t
	return &c, append(pointers(&c.Left), pointers(&c.Right)...)
}

func (t *RowTest) encode(w *encoder) {
	w.byte(tagRowTest)
	w.text(t.Operator)
	w.comparisons(t.row.eq)
	w.comparisons(t.row.less)
	w.nodes(t.Left)
	w.nodes(t.Right)
}

// SubqueryKind is the form of a Subquery.
type SubqueryKind uint8

// The forms.
const (
	ScalarSubquery SubqueryKind = iota // (SELECT …): one column, at most one row
	ExistsSubquery
	AnySubquery   // left op ANY (SELECT …); IN is op =
	AllSubquery   // left op ALL (SELECT …); NOT IN is <>
	ArraySubquery // ARRAY(SELECT …)
	RowSubquery   // left op (SELECT …) of several columns, at most one row
)

// Subquery is an expression over a sub-plan, which Env.Run runs with the current
// row as its innermost outer row.
type Subquery struct {
	Kind     SubqueryKind
	Plan     any
	Columns  []fqgw.Type // of the plan
	Operator string      // Any, All, Row
	Left     []fqgw.Expr
	SQL      string // the query's text, for String
	typ      fqgw.Type
	row      rowComparison
}

// NewSubquery makes a subquery expression; op and left are for Any, All and Row.
func NewSubquery(kind SubqueryKind, plan any, columns []fqgw.Type, op string, left []fqgw.Expr) (*Subquery, error) {
	if op == "!=" {
		op = "<>"
	}
	s := &Subquery{Kind: kind, Plan: plan, Columns: columns, Operator: op, typ: fqgw.Bool}
	switch kind {
	case ScalarSubquery, ArraySubquery:
		if len(columns) != 1 {
			return nil, fqgw.Errorf(fqgw.CodeSyntax, "subquery must return only one column")
		}
		s.typ = columns[0]
		if kind == ArraySubquery {
			if !s.typ.IsArray() {
				s.typ = s.typ.Array()
			}
			if s.typ.OID == 0 {
				return nil, noArrayType(columns[0])
			}
		}
	case AnySubquery, AllSubquery, RowSubquery:
		if len(left) < len(columns) {
			return nil, fqgw.Errorf(fqgw.CodeSyntax, "subquery has too many columns")
		}
		if len(left) > len(columns) {
			return nil, fqgw.Errorf(fqgw.CodeSyntax, "subquery has too few columns")
		}
		var err error
		if len(left) == 1 {
			// Any operator will do for one column.
			cmp, e := compareBy(op, left[0].Type(), columns[0])
			if e != nil {
				return nil, e
			}
			s.row = rowComparison{op: op, eq: []comparison{cmp}}
		} else if s.row, err = newRowComparison(op, typesOf(left), columns); err != nil {
			return nil, err
		}
		if s.Left, _, err = s.row.coerce(left, nil); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Subquery) Type() fqgw.Type { return s.typ }

// Eval runs the plan. More than one row where one may be is 21000.
func (s *Subquery) Eval(env *fqgw.Env, row []value) (value, error) {
	if env == nil || env.Run == nil {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "a subquery cannot be used here")
	}
	left, err := evalAll(s.Left, env, row)
	if err != nil {
		return fqgw.Null, err
	}
	inner := *env
	inner.Outer = append(env.Outer[:len(env.Outer):len(env.Outer)], row)
	rows, err := env.Run(&inner, s.Plan)
	if err != nil {
		return fqgw.Null, err
	}
	defer rows.Close()
	out, null := []value(nil), false
	held := int64(0)
	defer func() { env.Memory.Give(held) }() // whoever keeps the array counts it
	for n := 0; ; n++ {
		r, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return s.ended(out, n, null), nil
		}
		if err != nil {
			return fqgw.Null, err
		}
		switch s.Kind {
		case ExistsSubquery:
			return fqgw.BoolValue(true), nil
		case ArraySubquery:
			size := r[0].Bytes()
			if err := env.Memory.Take(size); err != nil {
				return fqgw.Null, err
			}
			held += size
			out = append(out, r[0])
		case ScalarSubquery, RowSubquery:
			if n > 0 {
				return fqgw.Null, fqgw.Errorf(fqgw.CodeCardinality, "more than one row returned by a subquery used as an expression")
			}
			if s.Kind == ScalarSubquery {
				out = []value{r[0]}
				continue
			}
			v, err := s.testRow(env, left, r)
			if err != nil {
				return fqgw.Null, err
			}
			out = []value{v}
		case AnySubquery, AllSubquery:
			v, err := s.testRow(env, left, r)
			if err != nil {
				return fqgw.Null, err
			}
			if v.IsNull() {
				null = true
			} else if v.Bool() == (s.Kind == AnySubquery) {
				return v, nil
			}
		}
	}
}

// testRow compares the left side with one row of the plan.
func (s *Subquery) testRow(env *fqgw.Env, left, r []value) (value, error) {
	right := make([]value, len(left))
	for i := range right {
		right[i] = r[i]
		if to := s.row.eq[i].right; s.Columns[i].OID != to.OID {
			v, err := Coerce(r[i], s.Columns[i], to, env)
			if err != nil {
				return fqgw.Null, err
			}
			right[i] = v
		}
	}
	if len(left) == 1 {
		return s.row.eq[0].test(env, left[0], right[0])
	}
	return s.row.test(env, left, right)
}

// ended is the result when the plan has no further row.
func (s *Subquery) ended(out []value, n int, null bool) value {
	switch s.Kind {
	case ExistsSubquery:
		return fqgw.BoolValue(false)
	case AnySubquery, AllSubquery:
		if null {
			return fqgw.Null
		}
		return fqgw.BoolValue(s.Kind == AllSubquery)
	case ArraySubquery:
		l := &fqgw.List{Elem: s.typ.Elem().Base(), Items: out}
		if s.Columns[0].IsArray() {
			l = stack(l.Elem, out)
		}
		return fqgw.ListValue(l)
	}
	if n == 0 {
		return fqgw.Null
	}
	return out[0]
}

// stack makes one array of one more dimension from arrays.
func stack(elem fqgw.Type, arrays []value) *fqgw.List {
	l := &fqgw.List{Elem: elem}
	for _, a := range arrays {
		if a.IsNull() {
			continue
		}
		l.Dims = append([]int{len(arrays)}, dims(a.List())...)
		l.Items = append(l.Items, a.List().Items...)
	}
	return l
}

func (s *Subquery) String() string {
	text := s.SQL
	if text == "" {
		text = fmt.Sprintf("%v", s.Plan)
	}
	left := join(s.Left, ", ")
	if len(s.Left) > 1 {
		left = "ROW(" + left + ")"
	}
	switch s.Kind {
	case ExistsSubquery:
		return "EXISTS (" + text + ")"
	case ArraySubquery:
		return "ARRAY(" + text + ")"
	case AnySubquery:
		return "(" + left + " " + s.Operator + " ANY (" + text + "))"
	case AllSubquery:
		return "(" + left + " " + s.Operator + " ALL (" + text + "))"
	case RowSubquery:
		return "(" + left + " " + s.Operator + " (" + text + "))"
	}
	return "(" + text + ")"
}

func (s *Subquery) operands() (fqgw.Expr, []*fqgw.Expr) {
	c := *s
	return &c, pointers(&c.Left)
}

func (s *Subquery) encode(w *encoder) {
	if !w.query {
		w.refuse("a subquery")
		return
	}
	w.byte(tagSubquery)
	w.text(s.String())
	w.nodes(s.Left)
}
