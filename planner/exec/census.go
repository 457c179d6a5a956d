package exec

import (
	"cmp"
	"math"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// hourMicros is an hour in microseconds.
const hourMicros = 3_600_000_000

// noHour is where rows without a known time are counted.
const noHour = math.MinInt64

// census is what the rows of a source are like, by the hour of their known time. It
// does not depend on their order.
type census struct {
	columns []fqgw.Column // the source's that are counted
	known   fqgw.Type     // of the known time
	memory  *fqgw.Memory
	held    int64
	hours   map[int64]*hourCensus
	ends    []int // of the batch: where a stretch of rows of one hour ends
	of      []*hourCensus
}

// hourCensus is what the rows of an hour are like.
type hourCensus struct {
	rows    int64
	columns []columnCensus
}

// columnCensus is what a column is like: its NULLs, and its least and greatest value.
type columnCensus struct {
	nulls    int64
	min, max fqgw.Value
}

func newCensus(columns []fqgw.Column, known fqgw.Type, memory *fqgw.Memory) *census {
	return &census{columns: columns, known: known, memory: memory, hours: map[int64]*hourCensus{}}
}

// close gives back what the census holds.
func (c *census) close() { c.memory.Give(c.held) }

// hour is the census of an hour, made when it is the first row's.
func (c *census) hour(at int64) (*hourCensus, error) {
	if h := c.hours[at]; h != nil {
		return h, nil
	}
	h := &hourCensus{columns: make([]columnCensus, len(c.columns))}
	if err := c.hold(int64(100 + 100*len(c.columns))); err != nil {
		return nil, err
	}
	c.hours[at] = h
	return h, nil
}

func (c *census) hold(n int64) error {
	if err := c.memory.Take(n); err != nil {
		return err
	}
	c.held += n
	return nil
}

// add counts rows: the census's columns, then the known time. op is the operations of a
// changelog's rows, else nil: rows as they were before are not counted.
func (c *census) add(columns []arrow.Array, known, op arrow.Array) error {
	c.ends, c.of = c.ends[:0], c.of[:0]
	last := int64(0)
	for i := range known.Len() {
		at := int64(noHour)
		if v := fqgw.ArrowView(known, i, c.known); !v.IsNull() {
			at = fqgw.Floor(momentOfValue(v), hourMicros)
		}
		counts := true
		if op != nil && !op.IsNull(i) {
			o, ok := fqgw.ParseOperation(fqgw.ArrowView(op, i, fqgw.Text).Str())
			counts = !(ok && o.Retracts())
		}
		if n := len(c.of); n > 0 && at == last && (c.of[n-1] != nil) == counts {
			c.ends[n-1]++
			continue
		}
		var h *hourCensus
		if counts {
			var err error
			if h, err = c.hour(at); err != nil {
				return err
			}
		}
		last = at
		c.ends, c.of = append(c.ends, i+1), append(c.of, h)
	}
	from := 0
	for s, h := range c.of {
		if h != nil {
			h.rows += int64(c.ends[s] - from)
		}
		from = c.ends[s]
	}
	for i, a := range columns {
		if err := c.column(i, a); err != nil {
			return err
		}
	}
	return nil
}

func momentOfValue(v fqgw.Value) int64 {
	if v.Kind() == fqgw.KindDate {
		return v.Int() * 24 * hourMicros
	}
	return v.Int()
}

// column counts a column of the batch, stretch by stretch.
func (c *census) column(i int, a arrow.Array) error {
	t := c.columns[i].Type
	find := extremesOf(a, t)
	from := 0
	for s, h := range c.of {
		to := c.ends[s]
		if h != nil {
			of := &h.columns[i]
			lo, nulls := from, 0
			if a.NullN() > 0 {
				for ; lo < to && a.IsNull(lo); lo++ {
					nulls++
				}
				for i := lo; i < to; i++ {
					if a.IsNull(i) {
						nulls++
					}
				}
			}
			of.nulls += int64(nulls)
			if find != nil && lo < to {
				lo, hi := find(lo, to, nulls > 0)
				if err := c.widen(of, a, t, lo, hi); err != nil {
					return err
				}
			}
		}
		from = to
	}
	return nil
}

// widen takes values into the least and the greatest of a column.
func (c *census) widen(of *columnCensus, a arrow.Array, t fqgw.Type, lo, hi int) error {
	for _, end := range []struct {
		of   *fqgw.Value
		i    int
		sign int
	}{{&of.min, lo, -1}, {&of.max, hi, 1}} {
		if v := fqgw.ArrowView(a, end.i, t); end.of.IsNull() || end.sign*orderOf(v, *end.of, t) > 0 {
			if err := c.hold(fqgw.RowBytes([]fqgw.Value{v}) - fqgw.RowBytes([]fqgw.Value{*end.of})); err != nil {
				return err
			}
			*end.of = fqgw.ArrowValue(a, end.i, t)
		}
	}
	return nil
}

// orderOf is PostgreSQL's order, and between values that it calls equal that of their
// texts: which of them is found first does not matter.
func orderOf(a, b fqgw.Value, t fqgw.Type) int {
	c := fqgw.Compare(a, b)
	if c == 0 {
		switch t.Kind() {
		case fqgw.KindFloat, fqgw.KindNumeric, fqgw.KindInterval, fqgw.KindArray:
			return strings.Compare(expr.Text(a, t, nil), expr.Text(b, t, nil))
		}
	}
	return c
}

// extremes finds the places of the least and the greatest value of rows from one up to
// another, of which the first is not NULL; nulls says that others may be.
type extremes func(from, to int, nulls bool) (lo, hi int)

// extremesOf are those of an array of a type; nil for a type without an order, or whose
// order says nothing.
func extremesOf(a arrow.Array, t fqgw.Type) extremes {
	if t == fqgw.JSON || t == fqgw.JSONB {
		return nil
	}
	switch k := t.Kind(); a := a.(type) {
	case *array.Int64:
		if k == fqgw.KindInt {
			return extremesIn(a, a.Int64Values(), cmp.Compare[int64])
		}
	case *array.Int32:
		if k == fqgw.KindInt {
			return extremesIn(a, a.Int32Values(), cmp.Compare[int32])
		}
	case *array.Timestamp:
		if k == fqgw.KindTimestamp {
			return extremesIn(a, a.TimestampValues(), cmp.Compare[arrow.Timestamp])
		}
	case *array.Float64:
		if k == fqgw.KindFloat {
			return extremesIn(a, a.Float64Values(), orderOfFloats)
		}
	case *array.Decimal128:
		if k == fqgw.KindNumeric {
			return extremesIn(a, a.Values(), decimal128.Num.Cmp)
		}
	case *array.String:
		if k == fqgw.KindText {
			return extremesAt(a, a.Value, strings.Compare)
		}
	}
	return extremesAt(a, func(i int) fqgw.Value { return fqgw.ArrowView(a, i, t) }, func(a, b fqgw.Value) int { return orderOf(a, b, t) })
}

// orderOfFloats is orderOf.
func orderOfFloats(a, b float64) int {
	if a == 0 && b == 0 {
		return cmp.Compare(math.Copysign(1, a), math.Copysign(1, b))
	}
	return fqgw.CompareFloats(a, b)
}

func extremesIn[T any](a arrow.Array, values []T, order func(a, b T) int) extremes {
	return extremesAt(a, func(i int) T { return values[i] }, order)
}

func extremesAt[T any](a arrow.Array, at func(i int) T, order func(a, b T) int) extremes {
	return func(from, to int, nulls bool) (lo, hi int) {
		lo, hi = from, from
		least := at(from)
		greatest := least
		for i := from + 1; i < to; i++ {
			if nulls && a.IsNull(i) {
				continue
			}
			v := at(i)
			if order(v, least) < 0 {
				lo, least = i, v
			} else if order(v, greatest) > 0 {
				hi, greatest = i, v
			}
		}
		return lo, hi
	}
}
