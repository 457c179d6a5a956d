package relational

import (
	"cmp"
	"encoding/binary"
	"io"
	"math"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// What subqueries gave is kept for the rows that ask the same, within a part of
// the statement's memory; where few rows do, it is not.
const (
	memoShare = 4     // of the statement's memory one subquery may keep 1/memoShare
	memoTrial = 10000 // after so many different rows it is asked whether it pays
	memoPays  = 8     // it does when one row in so many was like another
)

// memo is what a subquery keeps in a run of its statement.
type memo struct {
	run     *run
	buf     []byte
	account account

	results map[string]fqgw.Value // of one that is remembered
	asked   int
	off     bool

	sets map[string]*valueSet // of a member's, by what the query sees of the rows around it
}

func memoOf(env *fqgw.Env, x fqgw.Expr) *memo {
	r := runOf(env)
	m := r.memos[x]
	if m == nil {
		if r.memos == nil {
			r.memos = map[fqgw.Expr]*memo{}
		}
		m = &memo{run: r, results: map[string]fqgw.Value{}, sets: map[string]*valueSet{}}
		r.memos[x] = m
	}
	return m
}

func (c outerColumn) compare(o outerColumn) int {
	return cmp.Or(cmp.Compare(c.level, o.level), cmp.Compare(c.index, o.index))
}

// key is the same for rows in which the subquery sees the same values.
func (m *memo) key(env *fqgw.Env, columns []outerColumn, row []fqgw.Value) {
	m.buf = m.buf[:0]
	for _, c := range columns {
		from := row
		if c.level > 1 {
			from = env.Outer[len(env.Outer)-c.level+1]
		}
		m.buf = appendIdentity(m.buf, from[c.index])
	}
}

// room takes bytes for what is kept; false when that is too much.
func (m *memo) room(n int64) bool {
	if limit := m.run.memory.Limit(); limit > 0 && m.account.held+n > limit/memoShare {
		return false
	}
	return m.run.takeBytes(&m.account, n) == nil
}

func (m *memo) forget() {
	clear(m.results)
	clear(m.sets)
	m.run.give(&m.account)
}

// remembered is a subquery with the results it had.
type remembered struct {
	*expr.Subquery
	columns []outerColumn // that it sees of the rows around it
}

// Eval implements fqgw.Expr.
func (r *remembered) Eval(env *fqgw.Env, row []fqgw.Value) (fqgw.Value, error) {
	m := memoOf(env, r)
	if m.off {
		return r.Subquery.Eval(env, row)
	}
	m.key(env, r.columns, row)
	for _, x := range r.Left {
		v, err := x.Eval(env, row)
		if err != nil {
			return fqgw.Null, err
		}
		m.buf = appendIdentity(m.buf, v)
	}
	m.asked++
	if v, there := m.results[string(m.buf)]; there {
		return v, nil
	}
	if len(m.results) == memoTrial && m.asked < memoTrial+memoTrial/memoPays {
		m.forget()
		m.off = true
		return r.Subquery.Eval(env, row)
	}
	key := string(m.buf) // the buffer is used by the subquery's own rows
	v, err := r.Subquery.Eval(env, row)
	if err != nil {
		return fqgw.Null, err
	}
	if n := mapEntry + int64(len(key)) + v.Bytes(); !m.room(n) {
		m.forget()
		if !m.room(n) {
			return v, nil
		}
	}
	m.results[key] = v
	return v, nil
}

// member is left IN (a query), or NOT IN; three-valued as in SQL. A query that
// sees outer rows is run as it is for the first row of its kind: one match may
// be enough.
type member struct {
	*expr.Subquery
	columns []outerColumn // that it sees of the rows around it
	plan    plan.Node
	not     bool
}

// valueSet is the values of a query; nil until they are asked for again.
type valueSet struct {
	values *keySet
	null   bool // the query gave a NULL
}

// Eval implements fqgw.Expr.
func (q *member) Eval(env *fqgw.Env, row []fqgw.Value) (fqgw.Value, error) {
	left, err := q.Left[0].Eval(env, row)
	if err != nil {
		return fqgw.Null, err
	}
	m := memoOf(env, q)
	m.key(env, q.columns, row)
	set := m.sets[string(m.buf)]
	if set == nil {
		key := string(m.buf)
		if !m.room(mapEntry + int64(len(key))) {
			m.forget()
		}
		set = &valueSet{}
		if m.sets[key] = set; len(q.columns) > 0 {
			return q.Subquery.Eval(env, row)
		}
	}
	if set.values == nil {
		if err := q.load(m, env, row, set); err != nil {
			return fqgw.Null, err
		}
		if set.values == nil { // they are too many to keep
			return q.Subquery.Eval(env, row)
		}
	}
	if set.values.len() == 0 && !set.null {
		return fqgw.BoolValue(q.not), nil
	}
	if left.IsNull() {
		return fqgw.Null, nil
	}
	m.buf = appendKey(m.buf[:0], left, q.Left[0].Type())
	if set.values.find(m.buf) >= 0 {
		return fqgw.BoolValue(!q.not), nil
	}
	if set.null {
		return fqgw.Null, nil
	}
	return fqgw.BoolValue(q.not), nil
}

// load fills a set, unless there is no room for it; 53200 where it is the only one.
func (q *member) load(m *memo, env *fqgw.Env, row []fqgw.Value, set *valueSet) error {
	inner := *env
	inner.Outer = append(env.Outer[:len(env.Outer):len(env.Outer)], row)
	rows, err := m.run.rows(&inner, q.plan)
	if err != nil {
		return err
	}
	defer rows.Close()
	values, null := &keySet{}, false
	for {
		r, err := rows.Next()
		if err == io.EOF {
			set.values, set.null = values, null
			return nil
		}
		if err != nil {
			return err
		}
		if r[0].IsNull() {
			null = true
			continue
		}
		m.buf = appendKey(m.buf[:0], r[0], q.Columns[0])
		if _, added := values.add(m.buf); !added {
			continue
		}
		n := keyBytes + int64(len(m.buf))
		switch {
		case len(q.columns) == 0:
			err = m.run.takeBytes(&m.account, n)
		case !m.room(n):
			m.forget()
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// appendIdentity appends bytes that are the same for the very same values only:
// 1.0 is not 1.00.
func appendIdentity(dst []byte, v fqgw.Value) []byte {
	dst = append(dst, byte(v.Kind()))
	switch v.Kind() {
	case fqgw.KindFloat:
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(v.Float()))
	case fqgw.KindNumeric:
		dst = binary.BigEndian.AppendUint32(dst, uint32(v.Numeric().Scale()))
	case fqgw.KindInterval:
		s := v.Span()
		dst = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(dst, uint32(s.Months)), uint32(s.Days))
		return binary.BigEndian.AppendUint64(dst, uint64(s.Micros))
	case fqgw.KindArray:
		l := v.List()
		dst = binary.AppendUvarint(dst, uint64(len(l.Dims)))
		for _, d := range l.Dims {
			dst = binary.AppendUvarint(dst, uint64(d))
		}
		return appendIdentities(dst, l.Items)
	case fqgw.KindRecord:
		return appendIdentities(dst, v.Fields())
	}
	return expr.HashKey(dst, v)
}

func appendIdentities(dst []byte, items []fqgw.Value) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(items)))
	for _, v := range items {
		dst = appendIdentity(dst, v)
	}
	return dst
}
