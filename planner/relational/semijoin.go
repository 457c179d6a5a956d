package relational

import (
	"io"
	"slices"

	"github.com/dolthub/go-mysql-server/sql"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/pushdown"
)

// semiJoin is a semi or an anti join: the rows of the left side that have a match, or
// none. Of the rows of one key only so many are asked as can make a difference.
type semiJoin struct {
	*relations
	anti  bool
	width int            // of the left side
	keys  [2][]fqgw.Expr // of the left and the right side, over its own row
	// lasting says of each that it is the same in all runs of the program.
	lasting [2]bool
	conds   []fqgw.Expr // what is not decided by the keys, over both
	bound   fqgw.Expr   // see bounded; nil: none
	reads   []int       // the right side's columns that conds read; nil: it cannot be told
}

func (b *builder) semiJoin(n *plan.Join) (sql.Node, layout, error) {
	rels, trees, err := b.relations([]plan.Node{n.Left, n.Right})
	if err != nil {
		return nil, nil, err
	}
	l, r, rest := equalities(n)
	j := &semiJoin{relations: rels, anti: n.Kind == plan.Anti, width: len(n.Left.Columns()),
		keys: [2][]fqgw.Expr{b.finals(l), b.finals(r)}, lasting: [2]bool{allAlike(l), allAlike(r)}}
	if j.bound, j.conds = bounded(rest, j.width); j.bound == nil {
		j.conds, j.reads = b.finals(rest), readsOf(rest, j.width)
	}
	return b.joined(n, layout{j.width}, trees, j.open)
}

// bounded finds the comparison that conditions ask of a pair of rows, where it is
// the only one: an expression of the left side against one of the right, by <, <=, >,
// >= or <>. If it holds for any row of the right side it holds for the one with the
// smallest or the one with the greatest value. That expression is returned over the
// right side's own row, and the conditions over a left row with such a value behind it.
func bounded(conds []fqgw.Expr, width int) (bound fqgw.Expr, over []fqgw.Expr) {
	for _, c := range conds {
		if s := pushdown.Side(c, width); s == 'l' || s == 'n' {
			over = append(over, c)
			continue
		}
		call, ok := c.(*expr.Call)
		if !ok || bound != nil || !call.Operator || !slices.Contains(orders, call.Name) || len(call.Args) != 2 {
			return nil, nil
		}
		for i, x := range call.Args {
			if s := pushdown.Side(call.Args[1-i], width); pushdown.Side(x, width) == 'r' && (s == 'l' || s == 'n') && alike(x) &&
				inOrder(x.Type(), call.Args[1-i].Type()) {
				bound = plan.Shift(x, -width)
				d := *call
				d.Args = slices.Clone(call.Args)
				d.Args[i] = &expr.Column{Index: width, Typ: x.Type(), Name: "bound"}
				over = append(over, &d)
			}
		}
		if bound == nil {
			return nil, nil
		}
	}
	return bound, over
}

var orders = []string{"<", "<=", ">", ">=", "<>"}

// inOrder says whether the operators of orders between the types follow fqgw.Compare.
func inOrder(a, b fqgw.Type) bool {
	return sameKey(a, b) && a.OID != fqgw.BPChar.OID && a.Kind() != fqgw.KindArray && a.Kind() != fqgw.KindRecord
}

// readsOf are the right side's columns that conditions read, by its own numbers; nil
// when they depend on more than columns.
func readsOf(conds []fqgw.Expr, width int) []int {
	reads := []int{}
	for _, c := range conds {
		if !pushdown.Movable(c) {
			return nil
		}
		for _, i := range expr.Columns(c) {
			if i >= width && !slices.Contains(reads, i-width) {
				reads = append(reads, i-width)
			}
		}
	}
	return reads
}

func (j *semiJoin) open(ctx *sql.Context, in *instance, n *node, list []*relation) (fqgw.Rows, error) {
	s, err := j.load(ctx, in, n, list)
	if err != nil {
		return nil, err
	}
	r := &semiRows{semiJoin: j, in: in, list: list, probe: j.keys[s], row: make([]fqgw.Value, j.width+max(j.layouts[1].width(), 1))}
	t, err := list[1-s].table(in, "", j.keys[1-s], j.lasting[1-s])
	if err != nil {
		return nil, err
	}
	// Its chains become shorter; the table may serve another run of the program.
	if err := in.run.takeBytes(&in.account, 4*int64(t.rows.n)+5*int64(len(t.first))); err != nil {
		return nil, err
	}
	own := *t
	if own.first, own.next = slices.Clone(t.first), slices.Clone(t.next); len(t.keys) == 0 {
		own.chain()
	}
	r.table = &own
	if j.bound != nil {
		if err := in.run.takeBytes(&in.account, boundBytes*int64(len(own.first))); err != nil {
			return nil, err
		}
		r.bounds = make([]bounds, len(own.first))
	} else if s == 0 && j.reads != nil && len(j.conds) > 0 {
		r.asked = make([]uint8, len(own.first))
	}
	r.stream = list[s].stream()
	if s == 0 {
		return r, nil
	}
	if err := in.run.takeBytes(&in.account, int64(t.rows.n)); err != nil {
		return nil, err
	}
	return &markedRows{semiRows: r, hit: make([]bool, t.rows.n)}, nil
}

// semiRows gives the rows of the left side, which stream and look up the right one.
type semiRows struct {
	*semiJoin
	in     *instance
	list   []*relation
	stream fqgw.Rows
	table  *table
	probe  []fqgw.Expr
	row    []fqgw.Value // a left row, then a right one or a bound
	bounds []bounds     // of each key
	asked  []uint8      // how often each key was, up to 2
}

// bounds are the smallest and the greatest value among the right rows of a key, NULL
// where there is none.
type bounds struct {
	low, high fqgw.Value
	known     bool // all of its rows were looked at
}

// boundBytes is about what bounds take.
const boundBytes = 104

func (b *bounds) add(v fqgw.Value) {
	switch {
	case v.IsNull():
	case b.low.IsNull():
		b.low, b.high = v, v
	case fqgw.Compare(v, b.low) < 0:
		b.low = v
	case fqgw.Compare(v, b.high) > 0:
		b.high = v
	}
}

func (r *semiRows) Close() error { closeAll(r.list); return nil }

func (r *semiRows) Next() ([]fqgw.Value, error) {
	for {
		if err := r.in.tick(); err != nil {
			return nil, err
		}
		row, err := r.stream.Next()
		if err != nil {
			return nil, err
		}
		found, err := r.matched(row)
		if err != nil {
			return nil, err
		}
		if found != r.anti {
			return row, nil
		}
	}
}

// matched says whether a row of the left side has a match.
func (r *semiRows) matched(row []fqgw.Value) (bool, error) {
	n, err := r.table.number(&r.in.env, r.probe, row)
	if err != nil || n < 0 || len(r.conds) == 0 {
		return n >= 0, err
	}
	copy(r.row, row)
	if r.bound != nil {
		b := &r.bounds[n]
		for i := r.table.first[n]; i >= 0 && !b.known; i = r.table.next[i] {
			v, err := r.bound.Eval(&r.in.env, r.table.rows.at(int(i)))
			if err == nil {
				err = r.in.tick()
			}
			if err != nil {
				return false, err
			}
			b.add(v)
		}
		b.known = true
		return r.within(b)
	}
	if r.asked != nil && r.asked[n] < 2 {
		if r.asked[n]++; r.asked[n] == 2 {
			if err := r.thin(n); err != nil {
				return false, err
			}
		}
	}
	for i := r.table.first[n]; i >= 0; i = r.table.next[i] {
		if found, err := r.pair(i, 1); err != nil || found {
			return found, err
		}
	}
	return false, nil
}

// within says whether the left row that is there has a match within bounds.
func (r *semiRows) within(b *bounds) (bool, error) {
	if b.low.IsNull() {
		return false, nil
	}
	r.row[r.width] = b.low
	if ok, err := allTrue(&r.in.env, r.conds, r.row); err != nil || ok {
		return ok, err
	}
	r.row[r.width] = b.high
	return allTrue(&r.in.env, r.conds, r.row)
}

// pair asks the conditions of the row that is there and row i of the table, which is
// of side of.
func (r *semiRows) pair(i int32, of int) (bool, error) {
	if err := r.in.tick(); err != nil {
		return false, err
	}
	copy(r.row[of*r.width:], r.table.rows.at(int(i)))
	return allTrue(&r.in.env, r.conds, r.row)
}

// few rows of a key are asked one by one.
const few = 8

// thin leaves one of those rows of a key that are the same in what the conditions read.
func (r *semiRows) thin(n int) error {
	some := r.table.first[n]
	for i := 0; i < few && some >= 0; i++ {
		some = r.table.next[some]
	}
	if some < 0 {
		return nil
	}
	var seen keySet
	var a account
	defer r.in.run.give(&a)
	last := int32(-1)
	for i := r.table.first[n]; i >= 0; i = r.table.next[i] {
		buf, row := r.table.buf[:0], r.table.rows.at(int(i))
		for _, c := range r.reads {
			buf = appendIdentity(buf, row[c])
		}
		r.table.buf = buf
		if err := r.in.tick(); err != nil {
			return err
		}
		if _, added := seen.add(buf); !added {
			r.table.next[last] = r.table.next[i]
			continue
		}
		if err := r.in.run.takeBytes(&a, keyBytes+int64(len(buf))); err != nil {
			return err
		}
		last = i
	}
	return nil
}

// markedRows gives the rows of the left side, which is the table: the right one streams
// first, and marks what it meets.
type markedRows struct {
	*semiRows
	hit   []bool
	ended bool
	at    int
}

func (m *markedRows) Next() ([]fqgw.Value, error) {
	if !m.ended {
		if err := m.mark(); err != nil {
			return nil, err
		}
		m.ended = true
		closeAll(m.list)
	}
	for m.at < len(m.hit) {
		i := m.at
		if m.at++; m.hit[i] != m.anti {
			return m.table.rows.at(i), nil
		}
	}
	return nil, io.EOF
}

// mark reads the right side, as long as there are rows that nothing has met.
func (m *markedRows) mark() error {
	for left := m.table.rows.n; left > 0; {
		if err := m.in.tick(); err != nil {
			return err
		}
		row, err := m.stream.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		n, err := m.table.number(&m.in.env, m.probe, row)
		if err != nil {
			return err
		}
		if n < 0 || m.table.first[n] < 0 {
			continue
		}
		if m.bound != nil {
			if err := m.widen(&m.bounds[n], row); err != nil {
				return err
			}
			continue
		}
		copy(m.row[m.width:], row)
		met, err := m.meet(n, func(i int32) (bool, error) { return m.pair(i, 0) })
		if err != nil {
			return err
		}
		left -= met
	}
	for n := range m.bounds {
		_, err := m.meet(n, func(i int32) (bool, error) {
			copy(m.row, m.table.rows.at(int(i)))
			if err := m.in.tick(); err != nil {
				return false, err
			}
			return m.within(&m.bounds[n])
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *markedRows) widen(b *bounds, row []fqgw.Value) error {
	v, err := m.bound.Eval(&m.in.env, row)
	if err != nil {
		return err
	}
	before := b.low.Bytes() + b.high.Bytes()
	b.add(v)
	if more := b.low.Bytes() + b.high.Bytes() - before; more > 0 {
		return m.in.run.takeBytes(&m.in.account, more)
	}
	return nil
}

// meet marks those rows of a key for which asked is true, and takes them out of its
// chain; how many they are.
func (m *markedRows) meet(n int, asked func(i int32) (bool, error)) (met int, err error) {
	from := &m.table.first[n] // what names the row
	for *from >= 0 {
		i := *from
		ok, err := asked(i)
		if err != nil {
			return met, err
		}
		if !ok {
			from = &m.table.next[i]
			continue
		}
		m.hit[i] = true
		met++
		*from = m.table.next[i]
	}
	return met, nil
}
