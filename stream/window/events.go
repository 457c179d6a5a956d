package window

import (
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// Events are events of one entity, column by column, in the order of events
// (SEMANTICS §1): no position comes twice, and all have passed WHERE.
type Events struct {
	Times []int64
	Known []int64  // nil: each was known at its time
	Args  []Column // by Layout.Args
	// Place is the position of an event, where the layout is Ordered. Of events that
	// were added by Add it is not needed.
	Place func(i int) (fqgw.Position, error)

	pass  [][]bool // by Layout.filters; of [0], and where nil: all pass
	moved []Input  // of events that were added: their times and positions alone
}

// Column is the values of an argument. Of Ints, Floats and Values one is there.
type Column struct {
	Ints   []int64   // of integers of every width
	Floats []float64 // of real and double precision
	Values []fqgw.Value
	Null   []bool // nil: none is NULL
}

// Arg is an argument of the aggregates of a layout.
type Arg struct {
	Column int // of the source, whose value it is
	Type   fqgw.Type
}

// Plain says that every argument is a column of the source, and that every row counts:
// the layout's events can be had without evaluating anything.
func (l *Layout) Plain() (args []Arg, ok bool) {
	if l.view.Where != nil || len(l.filters) > 1 || l.view.Latest {
		return nil, false
	}
	for i := range l.args {
		c, is := l.args[i].expr.(*expr.Column)
		if !is || c.Level != 0 {
			return nil, false
		}
		args = append(args, Arg{c.Index, c.Typ})
	}
	return args, true
}

// Ordered says that an aggregate depends on the order of events.
func (l *Layout) Ordered() bool {
	return slices.ContainsFunc(l.rings, func(r ringSpec) bool {
		return slices.ContainsFunc(r.accs, func(a accSpec) bool { return a.kind.ordered })
	})
}

// Add puts an event behind the others, all of which were added. It keeps nothing of
// in but what its values refer to.
func (l *Layout) Add(e *Events, in *Input) {
	e.Times, e.Known = append(e.Times, in.Time), append(e.Known, in.Known)
	if len(l.args) > len(e.Args) {
		e.Args = make([]Column, len(l.args))
	}
	for i, v := range in.args {
		c := &e.Args[i]
		switch l.args[i].expr.Type().Kind() {
		case fqgw.KindInt:
			c.Ints = append(c.Ints, v.Int())
			c.Null = append(c.Null, v.IsNull())
		case fqgw.KindFloat:
			c.Floats = append(c.Floats, v.Float())
			c.Null = append(c.Null, v.IsNull())
		default:
			c.Values = append(c.Values, v)
		}
	}
	if len(l.filters) > 1 {
		if e.pass == nil {
			e.pass = make([][]bool, len(l.filters))
		}
		for f := 1; f < len(l.filters); f++ {
			e.pass[f] = append(e.pass[f], in.pass[f])
		}
	}
	if l.Ordered() {
		e.moved = append(e.moved, Input{Time: in.Time, Known: in.Known, Pos: in.Pos, tie: in.tie})
	}
}

// PlainBytes is about what an event takes in a sweep, and EventBytes one that was
// added, without what its values refer to.
const PlainBytes = 32

func (l *Layout) EventBytes() int64 {
	n := PlainBytes + int64(16+len(l.filters)-1)
	for i := range l.args {
		switch l.args[i].expr.Type().Kind() {
		case fqgw.KindInt, fqgw.KindFloat:
			n += 9
		default:
			n += valueSize
		}
	}
	if l.Ordered() {
		n += inputSize
	}
	return n
}

// value is the value of event i.
func (c *Column) value(i int) fqgw.Value {
	switch {
	case c.Null != nil && c.Null[i]:
		return fqgw.Null
	case c.Ints != nil:
		return fqgw.IntValue(c.Ints[i])
	case c.Floats != nil:
		return fqgw.FloatValue(c.Floats[i])
	}
	return c.Values[i]
}

// moment is the place of event i in the order of events.
func (e *Events) moment(i int) (Input, error) {
	if e.moved != nil {
		return e.moved[i], nil
	}
	in := Input{Time: e.Times[i], Known: e.Times[i]}
	if e.Known != nil {
		in.Known = e.Known[i]
	}
	var err error
	if e.Place != nil {
		in.Pos, err = e.Place(i)
	}
	return in, err
}

// filter says of each event whether it passes; nil: all do.
func (e *Events) filter(f int) []bool {
	if f == 0 || e.pass == nil {
		return nil
	}
	return e.pass[f]
}

// some are some of the events of one entity, one behind the other.
type some struct {
	*Events
	from, to int
	pass     []bool
	inner    []bool // of a window of ROWS: what the aggregate's own FILTER says; nil: there is none
	col      *Column
}

// passes says whether event i counts.
func (s *some) passes(i int) bool { return s.pass == nil || s.pass[i] }

// counts says whether event i counts and its value is not NULL.
func (s *some) counts(i int) bool {
	return (s.pass == nil || s.pass[i]) && (s.col.Null == nil || !s.col.Null[i])
}

// columnar is an accumulator that counts events column by column: what add would
// make of one after the other.
type columnar interface {
	addSome(s *some) error
}

// addSome counts events.
func addSome(a accumulator, s *some) error {
	if c, ok := a.(columnar); ok {
		return c.addSome(s)
	}
	for i := s.from; i < s.to; i++ {
		if s.passes(i) {
			a.add(nil, s.col.value(i))
		}
	}
	return nil
}

func (c *counter) addSome(s *some) error {
	if s.pass == nil && s.col.Null == nil && s.col.Values == nil {
		c.n += uint64(s.to - s.from)
		return nil
	}
	for i := s.from; i < s.to; i++ {
		if s.counts(i) && (s.col.Values == nil || !s.col.Values[i].IsNull()) {
			c.n++
		}
	}
	return nil
}

func (x *intSum) addSome(s *some) error {
	if s.pass == nil && s.col.Null == nil {
		x.n += uint64(s.to - s.from)
		for _, v := range s.col.Ints[s.from:s.to] {
			x.sum.add(int128{v >> 63, uint64(v)})
		}
		return nil
	}
	for i := s.from; i < s.to; i++ {
		if s.counts(i) {
			x.addInt(s.col.Ints[i])
		}
	}
	return nil
}

func (x *intMoments) addSome(s *some) error {
	for i := s.from; i < s.to; i++ {
		if s.counts(i) {
			x.addInt(s.col.Ints[i])
		}
	}
	return nil
}

func (x *floatSum) addSome(s *some) error {
	for i := s.from; i < s.to; i++ {
		if s.counts(i) {
			x.addFloat(s.col.Floats[i])
		}
	}
	return nil
}

func (x *floatMoments) addSome(s *some) error {
	for i := s.from; i < s.to; i++ {
		if s.counts(i) {
			x.addFloat(s.col.Floats[i])
		}
	}
	return nil
}

func (m *minimum) addSome(s *some) error { m.offerSome(s, -1); return nil }
func (m *maximum) addSome(s *some) error { m.offerSome(s, 1); return nil }

// offerSome offers the least or greatest of some numbers, of other types each.
func (e *extreme) offerSome(s *some, sign int) {
	best := -1
	for i := s.from; i < s.to; i++ {
		switch {
		case !s.counts(i):
			continue
		case s.col.Values != nil:
			e.offer(s.col.Values[i], sign)
			continue
		case best < 0:
			best = i
			continue
		}
		if s.col.Ints != nil {
			if v, kept := s.col.Ints[i], s.col.Ints[best]; sign > 0 && v > kept || sign < 0 && v < kept {
				best = i
			}
		} else if fqgw.CompareFloats(s.col.Floats[i], s.col.Floats[best])*sign > 0 {
			best = i
		}
	}
	if best >= 0 {
		e.offer(s.col.value(best), sign)
	}
}

func (f *first) addSome(s *some) error {
	for i := s.from; i < s.to; i++ {
		if s.passes(i) {
			return f.take(s, i, -1)
		}
	}
	return nil
}

func (l *last) addSome(s *some) error {
	for i := s.to - 1; i >= s.from; i-- {
		if s.passes(i) {
			return l.take(s, i, 1)
		}
	}
	return nil
}

func (e *edge) take(s *some, i, sign int) error {
	at, err := s.moment(i)
	if err == nil {
		e.offer(&at, s.col.value(i), sign)
	}
	return err
}
