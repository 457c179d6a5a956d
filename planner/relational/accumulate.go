package relational

import (
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// accumulator is an aggregate function of plain queries (PostgreSQL's; the
// aggregates of features are stream/window's). args are only valid during add.
type accumulator interface {
	add(args []fqgw.Value) error
	result(env *fqgw.Env, c *aggCall) (fqgw.Value, error)
}

func newAccumulator(c *aggCall) (accumulator, error) {
	kind := fqgw.KindNull
	if len(c.types) > 0 {
		kind = c.types[0].Kind()
	}
	switch c.Func {
	case "count":
		return &counter{star: c.Star}, nil
	case "sum", "avg":
		switch kind {
		case fqgw.KindFloat:
			return &floatSum{single: c.Func == "sum" && c.types[0].OID == fqgw.Float4.OID}, nil
		case fqgw.KindInterval:
			return &spanSum{}, nil
		}
		return &exactSum{}, nil
	case "var_pop", "var_samp", "variance", "stddev_pop", "stddev_samp", "stddev":
		if kind == fqgw.KindFloat {
			return &floatMoments{}, nil
		}
		return &exactMoments{}, nil
	case "corr", "covar_pop", "covar_samp", "regr_avgx", "regr_avgy", "regr_count", "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy":
		return &regression{}, nil
	case "min":
		return &extreme{want: -1}, nil
	case "max":
		return &extreme{want: 1}, nil
	case "bool_and", "every":
		return &logical{all: true}, nil
	case "bool_or":
		return &logical{}, nil
	case "bit_and", "bit_or", "bit_xor":
		return &bitwise{op: c.Func[4]}, nil
	case "array_agg":
		return &list{nested: c.types[0].IsArray()}, nil
	case "string_agg":
		return &joined{}, nil
	case "json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg":
		return &document{}, nil
	case "percentile_cont", "percentile_disc", "mode":
		return &orderedSet{}, nil
	}
	return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "aggregate function %s is not supported", c.Func)
}

type counter struct {
	star bool
	n    int64
}

func (c *counter) add(args []fqgw.Value) error {
	if c.star || !args[0].IsNull() {
		c.n++
	}
	return nil
}
func (c *counter) result(*fqgw.Env, *aggCall) (fqgw.Value, error) { return fqgw.IntValue(c.n), nil }

// exactSum is sum and avg of integers and numerics.
type exactSum struct {
	n     int64
	small int64    // integers, until they overflow into large
	large *big.Int // nil: none
	dec   fqgw.Decimal
}

func (s *exactSum) add(args []fqgw.Value) error {
	switch v := args[0]; v.Kind() {
	case fqgw.KindNull:
		return nil
	case fqgw.KindInt:
		i := v.Int()
		sum := s.small + i
		if (i > 0) != (sum > s.small) && i != 0 {
			s.spill()
			sum = i
		}
		s.small = sum
	default:
		s.dec = s.dec.Add(v.Numeric())
	}
	s.n++
	return nil
}

func (s *exactSum) spill() {
	if s.large == nil {
		s.large = new(big.Int)
	}
	s.large.Add(s.large, big.NewInt(s.small))
	s.small = 0
}

func (s *exactSum) ints() *big.Int {
	t := big.NewInt(s.small)
	if s.large != nil {
		t.Add(t, s.large)
	}
	return t
}

func (s *exactSum) result(_ *fqgw.Env, c *aggCall) (fqgw.Value, error) {
	if s.n == 0 {
		return fqgw.Null, nil
	}
	ints := s.ints()
	if c.Func == "sum" && c.Type.Kind() == fqgw.KindInt {
		if !ints.IsInt64() {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeOutOfRange, "bigint out of range")
		}
		return fqgw.IntValue(ints.Int64()), nil
	}
	total := s.dec.Add(fqgw.NewDecimal(ints, 0))
	if c.Func == "avg" {
		total, _ = total.Quo(fqgw.DecimalFromInt(s.n))
	}
	return fqgw.NumericValue(total), nil
}

// floatSum adds in the order of the input, as PostgreSQL does; sum(real) in real.
type floatSum struct {
	single bool
	n      int64
	sum    float64
}

func (s *floatSum) add(args []fqgw.Value) error {
	if args[0].IsNull() {
		return nil
	}
	x := args[0].Float()
	sum := s.sum + x
	if s.single {
		sum = float64(float32(sum))
	}
	if math.IsInf(sum, 0) && !math.IsInf(s.sum, 0) && !math.IsInf(x, 0) {
		return overflow()
	}
	s.n, s.sum = s.n+1, sum
	return nil
}

func overflow() error { return fqgw.Errorf(fqgw.CodeOutOfRange, "value out of range: overflow") }

func (s *floatSum) result(_ *fqgw.Env, c *aggCall) (fqgw.Value, error) {
	switch {
	case s.n == 0:
		return fqgw.Null, nil
	case c.Func == "avg":
		return fqgw.FloatValue(s.sum / float64(s.n)), nil
	}
	return fqgw.FloatValue(s.sum), nil
}

type spanSum struct {
	n    int64
	span fqgw.Span
}

func (s *spanSum) add(args []fqgw.Value) error {
	if args[0].IsNull() {
		return nil
	}
	x := args[0].Span()
	s.n++
	months, days := int64(s.span.Months)+int64(x.Months), int64(s.span.Days)+int64(x.Days)
	micros := s.span.Micros + x.Micros
	if months != int64(int32(months)) || days != int64(int32(days)) || (x.Micros > 0) != (micros > s.span.Micros) && x.Micros != 0 {
		return fqgw.Errorf(fqgw.CodeDatetimeOverflow, "interval out of range")
	}
	s.span = fqgw.Span{Months: int32(months), Days: int32(days), Micros: micros}
	return nil
}

func (s *spanSum) result(env *fqgw.Env, c *aggCall) (fqgw.Value, error) {
	if s.n == 0 {
		return fqgw.Null, nil
	}
	sum := fqgw.SpanValue(s.span)
	if c.Func == "sum" {
		return sum, nil
	}
	return operate(env, "/", sum, fqgw.Interval, fqgw.FloatValue(float64(s.n)), fqgw.Float8)
}

// operate applies an operator of planner/expr to two values.
func operate(env *fqgw.Env, op string, l fqgw.Value, lt fqgw.Type, r fqgw.Value, rt fqgw.Type) (fqgw.Value, error) {
	x, err := expr.Op(op, &expr.Const{Val: l, Typ: lt}, &expr.Const{Val: r, Typ: rt})
	if err != nil {
		return fqgw.Null, err
	}
	return x.Eval(env, nil)
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
func (e *extreme) result(*fqgw.Env, *aggCall) (fqgw.Value, error) { return e.best, nil }

type logical struct {
	all bool
	v   fqgw.Value
}

func (a *logical) add(args []fqgw.Value) error {
	if v := args[0]; !v.IsNull() && (a.v.IsNull() || v.Bool() != a.all) {
		a.v = v
	}
	return nil
}
func (a *logical) result(*fqgw.Env, *aggCall) (fqgw.Value, error) { return a.v, nil }

type bitwise struct {
	op byte // the first letter of and, or, xor
	v  fqgw.Value
}

func (a *bitwise) add(args []fqgw.Value) error {
	v := args[0]
	switch {
	case v.IsNull():
	case a.v.IsNull():
		a.v = v
	case a.op == 'a':
		a.v = fqgw.IntValue(a.v.Int() & v.Int())
	case a.op == 'o':
		a.v = fqgw.IntValue(a.v.Int() | v.Int())
	default:
		a.v = fqgw.IntValue(a.v.Int() ^ v.Int())
	}
	return nil
}
func (a *bitwise) result(*fqgw.Env, *aggCall) (fqgw.Value, error) { return a.v, nil }

// list is array_agg; of arrays it makes one with a dimension more.
type list struct {
	nested bool
	begun  bool
	items  []fqgw.Value
	dims   []int // of the arrays
	n      int
}

func (l *list) add(args []fqgw.Value) error {
	v := args[0]
	if !l.nested {
		l.items, l.begun = append(l.items, v), true
		return nil
	}
	if v.IsNull() {
		return fqgw.Errorf("22004", "cannot accumulate null arrays")
	}
	a := v.List()
	dims := a.Dims
	if dims == nil {
		dims = []int{len(a.Items)}
	}
	switch {
	case len(a.Items) == 0:
		return fqgw.Errorf("2202E", "cannot accumulate empty arrays")
	case l.begun && !slices.Equal(dims, l.dims):
		return fqgw.Errorf("2202E", "cannot accumulate arrays of different dimensionality")
	}
	l.begun, l.dims, l.items = true, dims, append(l.items, a.Items...)
	l.n++
	return nil
}

func (l *list) result(_ *fqgw.Env, c *aggCall) (fqgw.Value, error) {
	if !l.begun {
		return fqgw.Null, nil
	}
	out := &fqgw.List{Elem: c.Type.Elem(), Items: l.items[:len(l.items):len(l.items)]}
	if l.nested {
		out.Dims = append([]int{l.n}, l.dims...)
	}
	return fqgw.ListValue(out), nil
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

func (j *joined) result(_ *fqgw.Env, c *aggCall) (fqgw.Value, error) {
	switch {
	case !j.begun:
		return fqgw.Null, nil
	case c.Type.Kind() == fqgw.KindBytes:
		return fqgw.BytesValue(j.b.String()), nil
	}
	return fqgw.TextValue(j.b.String()), nil
}

// document is json_agg, jsonb_agg and those of objects.
type document struct {
	rows [][]fqgw.Value
}

func (d *document) add(args []fqgw.Value) error {
	if len(args) == 2 && args[0].IsNull() {
		return fqgw.Errorf(fqgw.CodeInvalidParameter, "field name must not be null")
	}
	d.rows = append(d.rows, slices.Clone(args))
	return nil
}

func (d *document) result(env *fqgw.Env, c *aggCall) (fqgw.Value, error) {
	if d.rows == nil {
		return fqgw.Null, nil
	}
	var b strings.Builder
	open, sep, end := "[", ", ", "]"
	if len(c.types) == 2 {
		open, end = "{ ", " }"
	} else if k := c.types[0].Kind(); k == fqgw.KindArray || k == fqgw.KindRecord {
		sep = ", \n "
	}
	b.WriteString(open)
	for i, row := range d.rows {
		switch {
		case i > 0 && row[len(row)-1].IsNull(): // no line of its own
			b.WriteString(", ")
		case i > 0:
			b.WriteString(sep)
		}
		if len(row) == 2 {
			b.WriteString(expr.ToJSON(fqgw.TextValue(expr.Text(row[0], c.types[0], env)), fqgw.Text, env) + " : ")
		}
		b.WriteString(expr.ToJSON(row[len(row)-1], c.types[len(row)-1], env))
	}
	b.WriteString(end)
	if c.Type.OID == fqgw.JSONB.OID {
		return expr.Parse(b.String(), fqgw.JSONB, env)
	}
	return fqgw.TextValue(b.String()), nil
}
