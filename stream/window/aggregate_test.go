package window

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
)

// result runs an aggregate over values.
func result(t *testing.T, fn string, typ fqgw.Type, values []fqgw.Value) (fqgw.Value, bool) {
	t.Helper()
	params := testParams(fn)
	_, res, err := ResultType(fn, []fqgw.Type{typ}, params, false)
	if err != nil {
		t.Fatal(err)
	}
	acc := kindOf(fn, typ, params, rowsOf(3)).make(1)[0]
	for i, v := range values {
		acc.add(&Input{Time: int64(i)}, v)
	}
	return acc.result(&slotSpec{fn: canonicalName(fn), typ: res, quantile: 0.5, k: 3})
}

// TestPostgres compares the exact types with PostgreSQL's own answers
// (testdata/aggregates.sql), display scales included.
func TestPostgres(t *testing.T) {
	b, err := os.ReadFile("testdata/aggregates.txt")
	if err != nil {
		t.Fatal(err)
	}
	fns := []string{"count", "sum", "avg", "var_samp", "var_pop", "stddev_samp", "stddev_pop", "min", "max"}
	types := map[string]fqgw.Type{"integer": fqgw.Int4, "bigint": fqgw.Int8, "numeric": fqgw.Numeric}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	for _, line := range lines {
		cols := strings.Split(line, "|")
		typ := types[cols[0]]
		var values []fqgw.Value
		for _, s := range strings.Fields(cols[1]) {
			switch d, ok := fqgw.ParseDecimal(s); {
			case !ok:
				values = append(values, fqgw.Null)
			case typ == fqgw.Numeric:
				values = append(values, fqgw.NumericValue(d))
			default:
				n, _ := d.Int64()
				values = append(values, fqgw.IntValue(n))
			}
		}
		for i, fn := range fns {
			v, ok := result(t, fn, typ, values)
			got, want := show(v), strings.Replace(cols[2+i], `\N`, "NULL", 1)
			if d, isNumber := fqgw.ParseDecimal(want); (fn == "min" || fn == "max") && typ == fqgw.Numeric && isNumber {
				if d.Cmp(v.Numeric()) == 0 {
					continue // of 1.0 and 1.00 PostgreSQL takes one by the order of the rows
				}
			}
			if got != want || !ok {
				t.Errorf("%s(%s) of %s = %s, PostgreSQL says %s", fn, typ, cols[1], got, want)
			}
		}
	}
	if len(lines) < 100 {
		t.Errorf("only %d cases", len(lines))
	}
}

func values(t fqgw.Type, in ...any) (out []fqgw.Value) {
	for _, x := range in {
		switch x := x.(type) {
		case nil:
			out = append(out, fqgw.Null)
		case int:
			out = append(out, fqgw.IntValue(int64(x)))
		case float64:
			out = append(out, fqgw.FloatValue(x))
		case bool:
			out = append(out, fqgw.BoolValue(x))
		case string:
			if d, ok := fqgw.ParseDecimal(x); ok && t == fqgw.Numeric {
				out = append(out, fqgw.NumericValue(d))
			} else {
				out = append(out, fqgw.TextValue(x))
			}
		}
	}
	return out
}

// TestResults pins the rules of SEMANTICS §3.4 by numbers.
func TestResults(t *testing.T) {
	nan, inf, negZero := math.NaN(), math.Inf(1), math.Copysign(0, -1)
	for _, c := range []struct {
		fn   string
		typ  fqgw.Type
		in   []any
		want string // "error": outside the type
	}{
		// Floats: exact sums rounded once.
		{"sum", fqgw.Float8, []any{1e100, 1.0, -1e100}, "1"},
		{"sum", fqgw.Float8, []any{0.1, 0.2, 0.3}, "0.6"}, // naive: 0.6000000000000001
		{"sum", fqgw.Float8, []any{math.MaxFloat64, math.MaxFloat64, -math.MaxFloat64}, "1.7976931348623157e+308"},
		{"sum", fqgw.Float8, []any{math.MaxFloat64, math.MaxFloat64}, "error"},
		{"sum", fqgw.Float8, []any{5e-324, 5e-324}, "1e-323"},
		{"sum", fqgw.Float8, []any{1.0, math.Ldexp(1, -53)}, "1"},                                        // a tie goes to even
		{"sum", fqgw.Float8, []any{1.0, math.Ldexp(1, -53), math.Ldexp(1, -1074)}, "1.0000000000000002"}, // and is no tie with that
		{"sum", fqgw.Float8, []any{negZero, negZero}, "0"},
		{"sum", fqgw.Float8, []any{1.5, -1.5}, "0"},
		{"sum", fqgw.Float8, []any{1.0, inf}, "+Inf"},
		{"sum", fqgw.Float8, []any{-inf, 3.0}, "-Inf"},
		{"sum", fqgw.Float8, []any{inf, -inf}, "NaN"},
		{"sum", fqgw.Float8, []any{nan, 1.0}, "NaN"},
		{"sum", fqgw.Float8, []any{nil, nil}, "NULL"},
		{"sum", fqgw.Float8, []any{}, "NULL"},
		{"sum", fqgw.Float4, []any{3e38, 3e38}, "error"},
		{"sum", fqgw.Float4, []any{16777216.0, 1.0, math.Ldexp(1, -40)}, "1.6777218e+07"}, // one rounding, not two
		{"avg", fqgw.Float8, []any{math.MaxFloat64, math.MaxFloat64}, "1.7976931348623157e+308"},
		{"avg", fqgw.Float8, []any{1.0, 2.0, nil}, "1.5"},
		{"avg", fqgw.Float8, []any{0.1, 0.1, 0.1}, "0.1"},
		{"avg", fqgw.Float8, []any{5e-324, 0.0}, "0"},
		{"avg", fqgw.Float8, []any{3.0, 3 * math.Ldexp(1, -53), math.Ldexp(1, -210)}, "1.0000000000000002"}, // beyond a tie by a rest
		{"avg", fqgw.Float8, []any{3.0, 3 * math.Ldexp(1, -53), 0.0}, "1"},
		{"avg", fqgw.Float4, []any{1.0, 2.0}, "1.5"},
		{"var_pop", fqgw.Float8, []any{1.0}, "0"},
		{"var_samp", fqgw.Float8, []any{1.0}, "NULL"},
		{"variance", fqgw.Float8, []any{1.0, 2.0, 3.0, 4.0}, "1.6666666666666667"},
		{"stddev", fqgw.Float8, []any{1.0, 2.0, 3.0, 4.0}, "1.2909944487358056"},
		{"stddev_pop", fqgw.Float8, []any{1.0, 2.0, 3.0, 4.0}, "1.118033988749895"},
		{"stddev_samp", fqgw.Float8, []any{1e15 + 1, 1e15 + 2, 1e15 + 3}, "1"},
		{"stddev_samp", fqgw.Float8, []any{0.1, 0.1, 0.1}, "0"},
		{"var_samp", fqgw.Float8, []any{1e-200, 3e-200}, "0"},
		{"var_samp", fqgw.Float8, []any{1e300, -1e300}, "error"},
		{"var_pop", fqgw.Float8, []any{inf}, "NaN"},
		{"var_samp", fqgw.Float8, []any{nan}, "NULL"},
		{"stddev_samp", fqgw.Float8, []any{nan, 1.0}, "NaN"},
		// Integers.
		{"sum", fqgw.Int4, []any{math.MaxInt64, 1}, "error"},
		{"sum", fqgw.Int4, []any{math.MaxInt64, 1, -1}, "9223372036854775807"},
		{"sum", fqgw.Int4, []any{math.MinInt64, -1}, "error"},
		{"sum", fqgw.Int8, []any{math.MaxInt64, math.MaxInt64}, "18446744073709551614"},
		{"sum", fqgw.Int8, []any{math.MinInt64, math.MinInt64}, "-18446744073709551616"},
		{"avg", fqgw.Int2, []any{1, 2}, "1.5000000000000000"},
		{"stddev_samp", fqgw.Int8, []any{math.MinInt64, math.MaxInt64}, "13043817825332782212"},
		{"count", fqgw.Int8, []any{1, nil, 3}, "2"},
		// Extremes.
		{"max", fqgw.Float8, []any{1.0, nan, inf}, "NaN"},
		{"min", fqgw.Float8, []any{nan, inf}, "+Inf"},
		{"min", fqgw.Float8, []any{0.0, negZero}, "0"},
		{"max", fqgw.Float8, []any{negZero}, "0"},
		{"min", fqgw.Text, []any{"b", "B", "ä", nil}, "B"},
		{"max", fqgw.Text, []any{"b", "B", "ä"}, "ä"},
		{"max", fqgw.Numeric, []any{"1.0", "NaN", "Infinity"}, "NaN"},
		{"max", fqgw.Int8, []any{nil}, "NULL"},
		{"bool_and", fqgw.Bool, []any{true, nil}, "true"},
		{"every", fqgw.Bool, []any{true, false}, "false"},
		{"bool_or", fqgw.Bool, []any{false, nil, true}, "true"},
		{"bool_or", fqgw.Bool, []any{nil}, "NULL"},
		{"first_value", fqgw.Int8, []any{nil, 2}, "NULL"},
		{"last_value", fqgw.Int8, []any{1, nil}, "NULL"},
		{"last_value", fqgw.Float8, []any{1.0, negZero}, "-0"},
		{"last_n", fqgw.Int8, []any{1, 2, nil, 4, 5, 6, 7, 8}, "{2,NULL,4,5,6,7,8}"},
		{"last_n", fqgw.Text, []any{"b", "a,c", nil, ""}, `{b,"a,c",NULL,""}`},
		{"last_n", fqgw.Float8, []any{}, "NULL"},
		{"last_n", fqgw.Float8, []any{nil}, "{NULL}"},
		{"top_k", fqgw.Int8, []any{5, 1, 5, nil, nil, nil, 3, 3, 2}, "{3,5,1}"}, // 1 and 2 came equally often
		{"top_k", fqgw.Numeric, []any{"1.00", "2", "1.0"}, "{1.0,2}"},
		{"top_k", fqgw.Float8, []any{nan, negZero, 0.0, inf, nan, nan}, "{NaN,0,Infinity}"},
		{"top_k", fqgw.Text, []any{nil}, "NULL"},
		{"histogram", fqgw.Int8, []any{-6, -5, -1, 0, 7, 7, 8, nil}, "{1,2,1,3}"},
		{"histogram", fqgw.Int8, []any{nil}, "NULL"},
		{"array_agg", fqgw.Numeric, []any{"1.0", "2", nil, "1.00"}, "{2,NULL,1.00}"},
		{"approx_count_distinct", fqgw.Float8, []any{0.0, negZero, nan, -nan, nil}, "2"},
		{"approx_count_distinct", fqgw.Numeric, []any{"1.0", "1.00", "1", "2"}, "2"},
		{"approx_count_distinct", fqgw.Text, []any{}, "0"},
		{"approx_percentile", fqgw.Float8, []any{}, "NULL"},
		{"approx_percentile", fqgw.Float8, []any{0.0, 0.0, 5.0}, "0"},
		{"approx_percentile", fqgw.Float8, []any{-inf, 0.0, nan}, "0"},
		{"approx_percentile", fqgw.Float8, []any{inf, nan, nan}, "NaN"},
		{"approx_percentile", fqgw.Float8, []any{-inf, -inf, 1.0}, "-Inf"},
	} {
		v, ok := result(t, c.fn, c.typ, values(c.typ, c.in...))
		got := show(v)
		if !ok {
			got = "error"
			if !v.IsNull() {
				t.Errorf("%s%v: an error with the value %s", c.fn, c.in, show(v))
			}
		}
		if c.typ == fqgw.Float4 && ok && c.fn == "sum" {
			got = strconv.FormatFloat(v.Float(), 'g', -1, 32)
		}
		if got != c.want {
			t.Errorf("%s(%s) of %v = %s, want %s", c.fn, c.typ, c.in, got, c.want)
		}
	}
}

// everyAggregate names each aggregate with a column it takes.
var everyAggregate = []struct {
	fn  string
	col int
}{
	{"count", colText}, {"sum", colInt}, {"avg", colInt}, {"sum", colFloat}, {"avg", colFloat}, {"sum", colNumeric}, {"avg", colNumeric},
	{"var_samp", colInt}, {"stddev_pop", colFloat}, {"stddev_samp", colNumeric}, {"min", colInt}, {"max", colFloat}, {"min", colNumeric},
	{"max", colText}, {"bool_and", colBool}, {"bool_or", colBool}, {"first_value", colFloat}, {"last_value", colText},
	{"approx_count_distinct", colInt}, {"approx_count_distinct", colText}, {"approx_percentile", colFloat},
}

// laterAggregates are those that came after the first golden state.
var laterAggregates = []struct {
	fn  string
	col int
}{
	{"last_n", colInt}, {"last_n", colText}, {"top_k", colInt}, {"top_k", colNumeric}, {"top_k", colFloat}, {"top_k", colText}, {"histogram", colInt},
	{"decayed_sum", colFloat}, {"sum", colVector}, {"avg", colVector},
}

// TestMonoid: any order, any grouping and any merge give the same bytes, the
// empty one changes nothing, and packing gives the same back (SEMANTICS §3.4).
func TestMonoid(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, a := range append(everyAggregate, laterAggregates...) {
		typ := sourceCol(a.col).Type()
		k := kindOf(a.fn, typ, testParams(a.fn), fqgw.Window{Hop: 2})
		for round := range 60 {
			n := rnd.IntN(20)
			if round%10 == 0 {
				n = 400 // enough to leave the exact set
			}
			ins, vs := make([]Input, n), make([]fqgw.Value, n)
			newest := int64(math.MinInt64)
			for i := range ins {
				ins[i] = Input{Time: rnd.Int64N(5) - 2, Known: rnd.Int64N(3), Pos: fqgw.Position{Partition: rnd.Int32N(2), Offset: int64(i)}}
				newest, vs[i] = max(newest, ins[i].Time), randomValue(rnd, typ)
			}
			// fold adds some events in their order, in the order of a tree of merges.
			var fold func(idx []int) accumulator
			fold = func(idx []int) accumulator {
				acc := k.make(1)[0]
				if len(idx) > 1 && rnd.IntN(3) > 0 {
					cut := rnd.IntN(len(idx) + 1)
					acc.merge(fold(idx[:cut]))
					acc.merge(fold(idx[cut:]))
					acc.merge(k.make(1)[0])
					return acc
				}
				for _, i := range idx {
					acc.add(&ins[i], vs[i])
				}
				return acc
			}
			straight := k.make(1)[0]
			for i := range ins {
				straight.add(&ins[i], vs[i])
			}
			want := straight.append(nil, newest)
			got := fold(rnd.Perm(n))
			if b := got.append(nil, newest); !bytes.Equal(b, want) {
				t.Fatalf("%s(%s) of %d values: %x in one order, %x in another", a.fn, typ, n, want, b)
			}
			if b := got.append(nil, newest); !bytes.Equal(b, want) {
				t.Fatalf("%s(%s): packing changed it", a.fn, typ)
			}
			if n == 0 && k.ordered {
				continue // never packed without rows
			}
			r, back := reader{fqgw.Unpack(want)}, k.make(1)[0]
			back.read(&r, newest)
			if b := back.append(nil, newest); r.Bad() || r.Left() > 0 || !bytes.Equal(b, want) {
				t.Fatalf("%s(%s): %x read back as %x (bad %t, left %d)", a.fn, typ, want, b, r.Bad(), r.Left())
			}
			_, res, _ := ResultType(a.fn, []fqgw.Type{typ}, testParams(a.fn), false)
			s := &slotSpec{fn: canonicalName(a.fn), typ: res, quantile: 0.9, k: 3, halfLife: 3}
			v1, ok1 := straight.result(s)
			v2, ok2 := back.result(s)
			if show(v1) != show(v2) || ok1 != ok2 {
				t.Fatalf("%s(%s): %s before packing, %s after", a.fn, typ, show(v1), show(v2))
			}
		}
	}
}

func TestResultType(t *testing.T) {
	for _, c := range []struct {
		fn, arg, want string
	}{
		{"sum", "int2", "bigint"}, {"sum", "int4", "bigint"}, {"sum", "int8", "numeric"}, {"sum", "float4", "real"},
		{"sum", "float8", "double precision"}, {"sum", "numeric", "numeric"}, {"avg", "int4", "numeric"}, {"avg", "float4", "double precision"},
		{"avg", "numeric", "numeric"}, {"stddev", "int8", "numeric"}, {"var_pop", "float4", "double precision"}, {"count", "uuid", "bigint"},
		{"min", "varchar", "text"}, {"max", "date", "date"}, {"max", "_int4", "integer[]"}, {"first_value", "bool", "boolean"},
		{"last_value", "varchar", "character varying"}, {"every", "bool", "boolean"}, {"approx_count_distinct", "text", "bigint"},
		{"approx_percentile", "int4", "double precision"},
		{"sum", "text", "42883"}, {"sum", "bool", "42883"}, {"avg", "interval", "42883"}, {"min", "bool", "42883"}, {"max", "uuid", "42883"},
		{"bool_and", "int4", "42883"}, {"sun", "int4", "42883"}, {"percentile_cont", "float8", "0A000"}, {"string_agg", "text", "0A000"},
		{"array_agg", "text", "text[]"}, {"array_agg", "_int4", "42883"}, {"last_n", "numeric", "numeric[]"}, {"last_n", "varchar", "character varying[]"}, {"rank", "int4", "0A000"}, {"lag", "int4", "0A000"},
		{"top_k", "varchar", "text[]"}, {"top_k", "uuid", "uuid[]"}, {"top_k", "_int4", "42883"}, {"top_k", "jsonb", "42883"}, {"histogram", "int8", "bigint[]"},
		{"histogram", "bool", "42883"}, {"decayed_sum", "int4", "double precision"}, {"decayed_sum", "text", "42883"},
		{"sum", "_float4", "real[]"}, {"avg", "_float4", "double precision[]"}, {"sum", "_float8", "double precision[]"}, {"sum", "_int4", "42883"}, {"stddev", "_float8", "42883"}, {"mode", "int4", "0A000"},
	} {
		typ, _ := fqgw.TypeByName(c.arg)
		params := testParams(c.fn)
		if c.fn == "approx_percentile" {
			params[0] = values(fqgw.Numeric, "0.9")[0]
		}
		_, res, err := ResultType(c.fn, []fqgw.Type{typ}, params, false)
		got := res.String()
		if err != nil {
			e := fqgw.AsError(err)
			if got = string(e.Code); e.Hint == "" {
				t.Errorf("%s(%s): no hint", c.fn, c.arg)
			}
		}
		if got != c.want {
			t.Errorf("%s(%s) gives %s, want %s", c.fn, c.arg, got, c.want)
		}
	}
	if _, res, err := ResultType("count", nil, nil, true); err != nil || res != fqgw.Int8 {
		t.Errorf("count(*): %v %v", res, err)
	}
	if args, _, _ := ResultType("approx_percentile", []fqgw.Type{fqgw.Int4}, []fqgw.Value{fqgw.FloatValue(1)}, false); args[0] != fqgw.Float8 {
		t.Errorf("approx_percentile(integer) casts to %v", args)
	}
	if args, _, _ := ResultType("sum", []fqgw.Type{fqgw.NumericOf(10, 2)}, nil, false); args[0] != fqgw.NumericOf(10, 2) {
		t.Errorf("sum(numeric(10,2)) casts to %v", args)
	}
	for _, q := range []fqgw.Value{fqgw.FloatValue(1.1), fqgw.FloatValue(-0.1), fqgw.FloatValue(math.NaN()), fqgw.TextValue("x"), fqgw.Null} {
		if _, _, err := ResultType("approx_percentile", []fqgw.Type{fqgw.Float8}, []fqgw.Value{q}, false); fqgw.AsError(err).Code != fqgw.CodeInvalidParameter {
			t.Errorf("percentile %s: %v", show(q), err)
		}
	}
	for _, n := range []fqgw.Value{fqgw.IntValue(0), fqgw.IntValue(MaxRows + 1), fqgw.FloatValue(2), fqgw.Null} {
		if _, _, err := ResultType("last_n", []fqgw.Type{fqgw.Float8}, []fqgw.Value{n}, false); fqgw.AsError(err).Code != fqgw.CodeInvalidParameter || !strings.Contains(err.Error(), "1024") {
			t.Errorf("the last %s: %v", show(n), err)
		}
	}
	if _, _, err := ResultType("approx_percentile", []fqgw.Type{fqgw.Float8}, nil, false); fqgw.AsError(err).Code != fqgw.CodeUndefinedFunction {
		t.Error(err)
	}
	if _, _, err := ResultType("sun", []fqgw.Type{fqgw.Float8}, nil, false); !strings.Contains(fqgw.AsError(err).Hint, "sum") {
		t.Error(fmt.Sprint(fqgw.AsError(err).Hint))
	}
}
