package relational

import (
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// accumulator is an aggregate function of plain queries (PostgreSQL's; the
// aggregates of features are stream/window's).
type accumulator interface {
	add(args []fqgw.Value) error
	result(b *builder, c *plan.AggCall) (fqgw.Value, error)
}

func sortHeld(held [][]fqgw.Value, n int, by []plan.SortKey) {
	slices.SortStableFunc(held, func(x, y []fqgw.Value) int { return compareKeys(by, x[n:], y[n:]) })
}

func newAccumulator(c *plan.AggCall) (accumulator, error) {
	kind := fqgw.KindNull
	if len(c.Args) > 0 {
		kind = c.Args[0].Type().Kind()
	}
	switch c.Func {
	case "count":
		return &count{star: c.Star}, nil
	case "sum", "avg":
		switch kind {
		case fqgw.KindFloat:
			return &floatSum{}, nil
		case fqgw.KindInterval:
			return &spanSum{}, nil
		}
		return &exactSum{}, nil
	case "var_pop", "var_samp", "variance", "stddev_pop", "stddev_samp", "stddev":
		if kind == fqgw.KindFloat {
			return &floatMoments{}, nil
		}
		return &exactMoments{}, nil
	case "min":
		return &extreme{want: -1}, nil
	case "max":
		return &extreme{want: 1}, nil
	case "bool_and", "every":
		return &boolean{all: true}, nil
	case "bool_or":
		return &boolean{}, nil
	case "array_agg":
		return &list{}, nil
	case "string_agg":
		return &joined{}, nil
	case "percentile_cont", "percentile_disc", "mode":
		return &ordered{}, nil
	}
	return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "aggregate function %s is not supported", c.Func)
}

type count struct {
	star bool
	n    int64
}

func (c *count) add(args []fqgw.Value) error {
	if c.star || !args[0].IsNull() {
		c.n++
	}
	return nil
}
func (c *count) result(*builder, *plan.AggCall) (fqgw.Value, error) { return fqgw.IntValue(c.n), nil }

// exactSum is sum and avg of integers and numerics.
type exactSum struct {
	n    int64
	ints big.Int
	dec  fqgw.Decimal
}

func (s *exactSum) add(args []fqgw.Value) error {
	switch v := args[0]; v.Kind() {
	case fqgw.KindNull:
		return nil
	case fqgw.KindInt:
		s.ints.Add(&s.ints, big.NewInt(v.Int()))
	default:
		s.dec = s.dec.Add(v.Numeric())
	}
	s.n++
	return nil
}

func (s *exactSum) total() fqgw.Decimal {
	return s.dec.Add(fqgw.NewDecimal(new(big.Int).Set(&s.ints), 0))
}

func (s *exactSum) result(_ *builder, c *plan.AggCall) (fqgw.Value, error) {
	if s.n == 0 {
		return fqgw.Null, nil
	}
	if c.Func == "avg" {
		q, _ := s.total().Quo(fqgw.DecimalFromInt(s.n))
		return fqgw.NumericValue(q), nil
	}
	if c.Type.Kind() == fqgw.KindInt {
		if !s.ints.IsInt64() {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeOutOfRange, "bigint out of range")
		}
		return fqgw.IntValue(s.ints.Int64()), nil
	}
	return fqgw.NumericValue(s.total()), nil
}

// floatSum adds in the order of the input, as PostgreSQL does.
type floatSum struct {
	n   int64
	sum float64
}

func (s *floatSum) add(args []fqgw.Value) error {
	if !args[0].IsNull() {
		s.n++
		s.sum += args[0].Float()
	}
	return nil
}

func (s *floatSum) result(_ *builder, c *plan.AggCall) (fqgw.Value, error) {
	switch {
	case s.n == 0:
		return fqgw.Null, nil
	case c.Func == "avg":
		return fqgw.FloatValue(s.sum / float64(s.n)), nil
	case c.Type.Base() == fqgw.Float4:
		return fqgw.FloatValue(float64(float32(s.sum))), nil
	}
	return fqgw.FloatValue(s.sum), nil
}

// floatMoments follows Youngs and Cramer, as PostgreSQL does.
type floatMoments struct {
	n        int64
	sum, sxx float64
}

func (m *floatMoments) add(args []fqgw.Value) error {
	if args[0].IsNull() {
		return nil
	}
	x := args[0].Float()
	m.n++
	m.sum += x
	if m.n > 1 {
		t := x*float64(m.n) - m.sum
		m.sxx += t * t / (float64(m.n) * float64(m.n-1))
	} else if math.IsInf(x, 0) || math.IsNaN(x) {
		m.sxx = math.NaN()
	}
	return nil
}

func (m *floatMoments) result(_ *builder, c *plan.AggCall) (fqgw.Value, error) {
	pop := strings.HasSuffix(c.Func, "_pop")
	d := float64(m.n - 1)
	if pop {
		d = float64(m.n)
	}
	if m.n == 0 || d <= 0 {
		return fqgw.Null, nil
	}
	v := m.sxx / d
	if strings.HasPrefix(c.Func, "stddev") {
		v = math.Sqrt(v)
	}
	return fqgw.FloatValue(v), nil
}

// exactMoments is variance and deviation of integers and numerics.
type exactMoments struct {
	n         int64
	sum, sum2 fqgw.Decimal
}

func (m *exactMoments) add(args []fqgw.Value) error {
	var d fqgw.Decimal
	switch v := args[0]; v.Kind() {
	case fqgw.KindNull:
		return nil
	case fqgw.KindInt:
		d = fqgw.DecimalFromInt(v.Int())
	default:
		d = v.Numeric()
	}
	m.n++
	m.sum, m.sum2 = m.sum.Add(d), m.sum2.Add(d.Mul(d))
	return nil
}

func (m *exactMoments) result(b *builder, c *plan.AggCall) (fqgw.Value, error) {
	n := fqgw.DecimalFromInt(m.n)
	d := fqgw.DecimalFromInt(m.n - 1)
	if strings.HasSuffix(c.Func, "_pop") {
		d = n
	}
	if m.n == 0 || d.Sign() <= 0 {
		return fqgw.Null, nil
	}
	top := n.Mul(m.sum2).Sub(m.sum.Mul(m.sum))
	if top.Sign() <= 0 && top.Finite() {
		return fqgw.NumericValue(fqgw.Decimal{}), nil
	}
	v, _ := top.Quo(n.Mul(d))
	if !strings.HasPrefix(c.Func, "stddev") {
		return fqgw.NumericValue(v), nil
	}
	root, err := expr.Func("sqrt", []fqgw.Expr{&expr.Const{Val: fqgw.NumericValue(v), Typ: fqgw.Numeric}})
	if err != nil {
		return fqgw.Null, err
	}
	return root.Eval(b.env, nil)
}

type spanSum struct {
	n    int64
	span fqgw.Span
}

func (s *spanSum) add(args []fqgw.Value) error {
	if !args[0].IsNull() {
		x := args[0].Span()
		s.n++
		s.span.Months, s.span.Days, s.span.Micros = s.span.Months+x.Months, s.span.Days+x.Days, s.span.Micros+x.Micros
	}
	return nil
}

func (s *spanSum) result(b *builder, c *plan.AggCall) (fqgw.Value, error) {
	if s.n == 0 {
		return fqgw.Null, nil
	}
	sum := fqgw.SpanValue(s.span)
	if c.Func == "sum" {
		return sum, nil
	}
	avg, err := expr.Op("/", &expr.Const{Val: sum, Typ: fqgw.Interval}, &expr.Const{Val: fqgw.FloatValue(float64(s.n)), Typ: fqgw.Float8})
	if err != nil {
		return fqgw.Null, err
	}
	return avg.Eval(b.env, nil)
}

type extreme struct {
	want int
	best fqgw.Value
}

func (e *extreme) add(args []fqgw.Value) error {
	if v := args[0]; !v.IsNull() && (e.best.IsNull() || fqgw.Compare(v, e.best) == e.want) {
		e.best = v
	}
	return nil
}
func (e *extreme) result(*builder, *plan.AggCall) (fqgw.Value, error) { return e.best, nil }

type boolean struct {
	all bool
	v   fqgw.Value
}

func (a *boolean) add(args []fqgw.Value) error {
	if v := args[0]; !v.IsNull() && (a.v.IsNull() || v.Bool() != a.all) {
		a.v = v
	}
	return nil
}
func (a *boolean) result(*builder, *plan.AggCall) (fqgw.Value, error) { return a.v, nil }

type list struct{ items []fqgw.Value }

func (l *list) add(args []fqgw.Value) error { l.items = append(l.items, args[0]); return nil }
func (l *list) result(_ *builder, c *plan.AggCall) (fqgw.Value, error) {
	if l.items == nil {
		return fqgw.Null, nil
	}
	return fqgw.ArrayOf(c.Type.Elem(), l.items...), nil
}

type joined struct {
	b     strings.Builder
	begun bool
}

func (j *joined) add(args []fqgw.Value) error {
	if args[0].IsNull() {
		return nil
	}
	if j.begun && len(args) > 1 {
		j.b.WriteString(args[1].Str())
	}
	j.begun = true
	j.b.WriteString(args[0].Str())
	return nil
}

func (j *joined) result(_ *builder, c *plan.AggCall) (fqgw.Value, error) {
	switch {
	case !j.begun:
		return fqgw.Null, nil
	case c.Type.Kind() == fqgw.KindBytes:
		return fqgw.BytesValue(j.b.String()), nil
	}
	return fqgw.TextValue(j.b.String()), nil
}

// ordered is percentile_cont, percentile_disc and mode: WITHIN GROUP (ORDER BY
// x) gives its values in order.
type ordered struct{ items []fqgw.Value }

func (o *ordered) add(args []fqgw.Value) error {
	if !args[0].IsNull() {
		o.items = append(o.items, args[0])
	}
	return nil
}

func (o *ordered) result(b *builder, c *plan.AggCall) (fqgw.Value, error) {
	n := len(o.items)
	if c.Func == "mode" {
		best, most := fqgw.Null, 0
		for i := 0; i < n; {
			j := i
			for j < n && fqgw.Compare(o.items[i], o.items[j]) == 0 {
				j++
			}
			if j-i > most {
				best, most = o.items[i], j-i
			}
			i = j
		}
		return best, nil
	}
	q, err := c.Direct[0].Eval(b.env, nil)
	if err != nil || q.IsNull() || n == 0 {
		return fqgw.Null, err
	}
	f := q.Float()
	if f < 0 || f > 1 || math.IsNaN(f) {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeOutOfRange, "percentile value %g is not between 0 and 1", f)
	}
	if c.Func == "percentile_disc" {
		return o.items[max(int(math.Ceil(f*float64(n)))-1, 0)], nil
	}
	pos := f * float64(n-1)
	lo, hi := o.items[int(math.Floor(pos))], o.items[int(math.Ceil(pos))]
	if lo.Kind() != fqgw.KindFloat {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "percentile_cont of %s is not supported", c.Type)
	}
	return fqgw.FloatValue(lo.Float() + (pos-math.Floor(pos))*(hi.Float()-lo.Float())), nil
}
