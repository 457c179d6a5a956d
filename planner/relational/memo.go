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

// outerRow is what a subquery sees of the rows around it.
type outerRow struct {
	run     *run
	columns []outerColumn
	buf     []byte
	account account
}

func (c outerColumn) compare(o outerColumn) int {
	return cmp.Or(cmp.Compare(c.level, o.level), cmp.Compare(c.index, o.index))
}

// key is the same for rows in which the subquery sees the same values.
func (o *outerRow) key(env *fqgw.Env, row []fqgw.Value) {
	o.buf = o.buf[:0]
	for _, c := range o.columns {
		from := row
		if c.level > 1 {
			from = env.Outer[len(env.Outer)-c.level+1]
		}
		o.buf = appendIdentity(o.buf, from[c.index])
	}
}

// room takes bytes for what is kept; false when that is too much.
func (o *outerRow) room(n int64) bool {
	if limit := o.run.memory.Limit(); limit > 0 && o.account.held+n > limit/memoShare {
		return false
	}
	return o.run.takeBytes(&o.account, n) == nil
}

// remembered is a subquery with the results it had.
type remembered struct {
	*expr.Subquery
	outerRow
	results map[string]fqgw.Value
	asked   int
	off     bool
}

// Eval implements fqgw.Expr. It keeps state: a program is run by one goroutine.
func (r *remembered) Eval(env *fqgw.Env, row []fqgw.Value) (fqgw.Value, error) {
	if r.off {
		return r.Subquery.Eval(env, row)
	}
	r.key(env, row)
	for _, x := range r.Left {
		v, err := x.Eval(env, row)
		if err != nil {
			return fqgw.Null, err
		}
		r.buf = appendIdentity(r.buf, v)
	}
	r.asked++
	if v, there := r.results[string(r.buf)]; there {
		return v, nil
	}
	if len(r.results) == memoTrial && r.asked < memoTrial+memoTrial/memoPays {
		r.forget()
		r.off = true
		return r.Subquery.Eval(env, row)
	}
	key := string(r.buf) // the buffer is used by the subquery's own rows
	v, err := r.Subquery.Eval(env, row)
	if err != nil {
		return fqgw.Null, err
	}
	if n := mapEntry + int64(len(key)) + v.Bytes(); !r.room(n) {
		r.forget()
		if !r.room(n) {
			return v, nil
		}
	}
	r.results[key] = v
	return v, nil
}

func (r *remembered) forget() {
	clear(r.results)
	r.run.give(&r.account)
}

// member is left IN (a query), or NOT IN; three-valued as in SQL. A query that
// sees outer rows is run as it is for the first row of its kind: one match may
// be enough.
type member struct {
	*expr.Subquery
	outerRow
	plan plan.Node
	not  bool
	sets map[string]*valueSet // by what the query sees of the rows around it
}

// valueSet is the values of a query; nil until they are asked for again.
type valueSet struct {
	values map[string]struct{}
	null   bool // the query gave a NULL
}

// Eval implements fqgw.Expr. It keeps state: a program is run by one goroutine.
func (m *member) Eval(env *fqgw.Env, row []fqgw.Value) (fqgw.Value, error) {
	left, err := m.Left[0].Eval(env, row)
	if err != nil {
		return fqgw.Null, err
	}
	m.key(env, row)
	set := m.sets[string(m.buf)]
	if set == nil {
		key := string(m.buf)
		if !m.room(mapEntry + int64(len(key))) {
			clear(m.sets)
			m.run.give(&m.account)
		}
		set = &valueSet{}
		if m.sets[key] = set; len(m.columns) > 0 {
			return m.Subquery.Eval(env, row)
		}
	}
	if set.values == nil {
		if err := m.load(env, row, set); err != nil {
			return fqgw.Null, err
		}
		if set.values == nil { // they are too many to keep
			return m.Subquery.Eval(env, row)
		}
	}
	if len(set.values) == 0 && !set.null {
		return fqgw.BoolValue(m.not), nil
	}
	if left.IsNull() {
		return fqgw.Null, nil
	}
	m.buf = appendKey(m.buf[:0], left, m.Left[0].Type())
	if _, found := set.values[string(m.buf)]; found {
		return fqgw.BoolValue(!m.not), nil
	}
	if set.null {
		return fqgw.Null, nil
	}
	return fqgw.BoolValue(m.not), nil
}

// load fills a set, unless there is no room for it; 53200 where it is the only one.
func (m *member) load(env *fqgw.Env, row []fqgw.Value, set *valueSet) error {
	inner := *env
	inner.Outer = append(env.Outer[:len(env.Outer):len(env.Outer)], row)
	rows, err := m.run.rows(&inner, m.plan)
	if err != nil {
		return err
	}
	defer rows.Close()
	values, null := map[string]struct{}{}, false
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
		m.buf = appendKey(m.buf[:0], r[0], m.Columns[0])
		if _, found := values[string(m.buf)]; found {
			continue
		}
		n := mapEntry + int64(len(m.buf))
		switch {
		case len(m.columns) == 0:
			err = m.run.takeBytes(&m.account, n)
		case !m.room(n):
			clear(m.sets)
			m.run.give(&m.account)
			return nil
		}
		if err != nil {
			return err
		}
		values[string(m.buf)] = struct{}{}
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
