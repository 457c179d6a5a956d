package window

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
)

// accumulator is the state of one aggregate over some events: a commutative
// monoid whose bytes are equal under any order and grouping (SEMANTICS §3.4).
// The zero value of every implementation is the empty one.
type accumulator interface {
	// add counts an event whose argument is v, NULL included.
	add(in *Input, v fqgw.Value)
	// merge counts everything that o, of the same kind, has counted. o stays as it is.
	merge(o accumulator)
	// append packs canonically. newest is the greatest event time among the
	// events, so that times can be written relative to it.
	append(dst []byte, newest int64) []byte
	// read counts everything that the packed accumulator has counted; damage is
	// left in the reader.
	read(r *reader, newest int64)
	// result is the aggregate's value; ok is false when it is outside the type.
	result(s *slotSpec) (v fqgw.Value, ok bool)
}

// kind is a sort of accumulator; aggregates of one kind share one.
type kind struct {
	name    string // outlives the process in the layout's hash
	one     func() accumulator
	make    func(n int) []accumulator
	clear   func(accumulator)
	skip    func(r *reader)          // passes over a packed one
	size    int64                    // bytes in memory, without what it refers to
	refers  func(events int64) int64 // about how many bytes one of so many events refers to
	ordered bool                     // it depends on the order of events
}

// kindNamed is the kind of the accumulators of type T. It makes n of them side by side.
func kindNamed[T any, P interface {
	*T
	accumulator
}](name string, skip func(*reader)) *kind {
	k := &kind{name: name, skip: skip, size: int64(reflect.TypeFor[T]().Size()), refers: func(int64) int64 { return 0 }}
	k.one = func() accumulator { return P(new(T)) }
	k.make = func(n int) []accumulator {
		all, out := make([]T, n), make([]accumulator, n)
		for i := range all {
			out[i] = P(&all[i])
		}
		return out
	}
	k.clear = func(a accumulator) {
		var empty T
		*a.(P) = empty
	}
	return k
}

// kindOfEach is kindNamed of accumulators that are made ready by a parameter, which the
// name has too.
func kindOfEach[T any, P interface {
	*T
	accumulator
}](name string, skip func(*reader), ready func(P)) *kind {
	k := kindNamed[T, P](name, skip)
	plain, empty := k.make, k.clear
	k.one = func() accumulator { return k.make(1)[0] }
	k.make = func(n int) []accumulator {
		all := plain(n)
		for _, a := range all {
			ready(a.(P))
		}
		return all
	}
	k.clear = func(a accumulator) {
		empty(a)
		ready(a.(P))
	}
	return k
}

// inOrder is a kind that depends on the order of events.
func (k *kind) inOrder() *kind {
	k.ordered = true
	return k
}

// referring is a kind whose accumulators refer to memory.
func (k *kind) referring(most func(events int64) int64) *kind {
	k.refers = most
	return k
}

var (
	kindCount          = kindNamed[counter]("count", skipCounter)
	kindIntSum         = kindNamed[intSum]("int sum", skipIntSum)
	kindFloatSum       = kindNamed[floatSum]("float sum", skipFloatSum)
	kindNumericSum     = kindNamed[numericSum]("numeric sum", skipNumericSum).referring(scaled)
	kindIntMoments     = kindNamed[intMoments]("int moments", skipIntMoments)
	kindFloatMoments   = kindNamed[floatMoments]("float moments", skipFloatMoments)
	kindNumericMoments = kindNamed[numericMoments]("numeric moments", skipNumericMoments).referring(scaled)
	kindMin            = kindNamed[minimum]("min", skipExtreme)
	kindMax            = kindNamed[maximum]("max", skipExtreme)
	kindBools          = kindNamed[bools]("bools", skipBools)
	kindFirst          = kindNamed[first]("first", skipEdge).inOrder()
	kindLast           = kindNamed[last]("last", skipEdge).inOrder()
	kindDistinct       = kindNamed[distinct]("distinct", skipDistinct).referring(func(n int64) int64 { return min(16*n, registers+16*maxExactSet) })
	kindTopK           = kindNamed[topK]("top k", skipTopK).referring(func(n int64) int64 { return min(n, MaxCounted) * (countedSize + 32) })
	kindVectorSum      = kindNamed[vectorSum]("vector sum", skipVectorSum).referring(func(n int64) int64 { return min(n, 1) * 256 * floatSumSize })
	kindSketch         = kindNamed[sketch]("sketch", skipSketch).referring(func(n int64) int64 { return min(32*n, 4*maxBins*16) })
)

// scaled is about how many bytes sums by scale refer to.
func scaled(events int64) int64 { return min(160*events, 640) }

// canonicalName resolves PostgreSQL's second names.
func canonicalName(fn string) string {
	switch fn {
	case "variance":
		return "var_samp"
	case "stddev":
		return "stddev_samp"
	case "every":
		return "bool_and"
	}
	return fn
}

// kindOf is the accumulator that a supported aggregate needs for its argument, over the
// events of a window.
func kindOf(fn string, arg fqgw.Type, params []fqgw.Value, w fqgw.Window) *kind {
	pick := func(i, f, n *kind) *kind {
		switch arg.Kind() {
		case fqgw.KindFloat:
			return f
		case fqgw.KindNumeric:
			return n
		}
		return i
	}
	switch canonicalName(fn) {
	case "sum", "avg":
		if arg.IsArray() {
			return kindVectorSum
		}
		return pick(kindIntSum, kindFloatSum, kindNumericSum)
	case "var_samp", "var_pop", "stddev_samp", "stddev_pop":
		return pick(kindIntMoments, kindFloatMoments, kindNumericMoments)
	case "min":
		return kindMin
	case "max":
		return kindMax
	case "bool_and", "bool_or":
		return kindBools
	case "first_value":
		return kindFirst
	case "last_value":
		return kindLast
	case "approx_count_distinct":
		return kindDistinct
	case "approx_percentile":
		return kindSketch
	case "array_agg":
		return kindNewest(w.Rows)
	case "last_n":
		return kindNewest(int(params[0].Int()))
	case "top_k":
		return kindTopK
	case "histogram":
		return kindHistogram(params[0])
	case "decayed_sum":
		return kindDecayed(w.Hop)
	}
	return kindCount
}

// The supported aggregates, and what to write instead of others.
var (
	supported = []string{"count", "sum", "avg", "min", "max", "bool_and", "bool_or", "every", "variance", "var_samp", "var_pop",
		"stddev", "stddev_samp", "stddev_pop", "first_value", "last_value", "approx_count_distinct", "approx_percentile",
		"array_agg", "last_n", "top_k", "histogram", "decayed_sum"}
	refused = map[string]string{
		"percentile_cont": "Use approx_percentile(x, q).",
		"percentile_disc": "Use approx_percentile(x, q).",
		"mode":            "Use top_k(x, 1), or approx_percentile(x, 0.5).",
		"string_agg":      "Use last_n(x, n) for the newest values, or approx_count_distinct(x).",
		"json_agg":        "Use last_n(x, n) for the newest values.",
		"jsonb_agg":       "Use last_n(x, n) for the newest values.",
		"json_object_agg": "Use last_value(x) for the newest value.",
		"xmlagg":          "Use last_value(x) for the newest value.",
		"any_value":       "Use first_value(x) or last_value(x): its choice would depend on the order of arrival.",
		"nth_value":       "Use first_value(x), last_value(x) or last_n(x, n).",
		"lag":             "Use last_n(x, n): a feature sees its window as one.",
		"lead":            "Use last_n(x, n): a feature sees its window as one.",
		"row_number":      "Use count(*).",
		"rank":            "Use count(*) with FILTER.",
		"dense_rank":      "Use approx_count_distinct(x).",
		"percent_rank":    "Use approx_percentile(x, q).",
		"cume_dist":       "Use approx_percentile(x, q).",
		"ntile":           "Use approx_percentile(x, q).",
		"bit_and":         "Use bool_and(x) per bit.",
		"bit_or":          "Use bool_or(x) per bit.",
		"bit_xor":         "Use count(*) with FILTER per bit.",
		"corr":            "Compute it from sum(x), sum(y), sum(x*y), sum(x*x), sum(y*y) and count(*) over the window.",
		"covar_pop":       "Compute it from sum(x), sum(y), sum(x*y) and count(*) over the window.",
		"covar_samp":      "Compute it from sum(x), sum(y), sum(x*y) and count(*) over the window.",
		"regr_slope":      "Compute it from sum(x), sum(y), sum(x*y), sum(x*x) and count(*) over the window.",
		"regr_intercept":  "Compute it from sum(x), sum(y), sum(x*y), sum(x*x) and count(*) over the window.",
		"regr_r2":         "Compute it from sums over the window.",
	}
)

// withParam are the aggregates with a constant behind their argument, how they are
// written, and what the constant must be.
var withParam = map[string]struct{ form, must string }{
	"approx_percentile": {
		"approx_percentile(x, q) with a number x and a constant q from 0 to 1",
		"the percentile of approx_percentile must be a number from 0 to 1"},
	"last_n": {
		"last_n(x, n) with a constant n",
		fmt.Sprintf("the n of last_n must be an integer from 1 to %d", MaxRows)},
	"top_k": {
		"top_k(x, k) with a constant k",
		fmt.Sprintf("the k of top_k must be an integer from 1 to %d", MaxCounted)},
	"histogram": {
		"histogram(x, bounds) with a constant array of x's type",
		fmt.Sprintf("the bounds of histogram must be an array of 1 to %d ascending values, none of them NULL", MaxBounds)},
	"decayed_sum": {
		"decayed_sum(x, half_life) with a number x and a constant interval",
		"the half-life of decayed_sum must be a positive interval of days and shorter units"},
}

// Params is the number of constants behind the arguments of an aggregate: the q
// of approx_percentile(x, q).
func Params(fn string) int {
	if _, ok := withParam[strings.ToLower(fn)]; ok {
		return 1
	}
	return 0
}

// Known says whether a name is an aggregate's, supported or not.
func Known(fn string) bool {
	fn = strings.ToLower(fn)
	_, no := refused[fn]
	return no || slices.Contains(supported, fn)
}

// Over says why an aggregate cannot be over a window, nil if it can: 42P17.
func Over(fn string, w fqgw.Window) error {
	if fn == "array_agg" && w.Rows == 0 {
		return fqgw.Errorf(fqgw.CodeInvalidDefinition, "array_agg needs a window of ROWS n PRECEDING in a feature view").
			WithHint("Write last_n(x, n) for the last n values within a span of time.")
	}
	if fn == "decayed_sum" && w.Length == 0 {
		return fqgw.Errorf(fqgw.CodeInvalidDefinition, "decayed_sum needs a window of RANGE 'interval' PRECEDING in a feature view").
			WithHint("What it sums is weighed by the tiles of the window's hop: take a window of about ten half-lives.")
	}
	return nil
}

// ParamType is the type of the constant behind an argument of that type where it is
// written as a literal without one; the literal's own otherwise.
func ParamType(fn string, arg fqgw.Type) fqgw.Type {
	switch strings.ToLower(fn) {
	case "decayed_sum":
		return fqgw.Interval
	case "histogram":
		return arg.Base().Array()
	}
	return fqgw.Unknown
}

// fits says whether a constant is one that the aggregate can have.
func fits(fn string, v fqgw.Value) bool {
	switch fn {
	case "approx_percentile":
		q, ok := number(v)
		return ok && q >= 0 && q <= 1
	case "last_n":
		return v.Kind() == fqgw.KindInt && v.Int() >= 1 && v.Int() <= MaxRows
	case "top_k":
		return v.Kind() == fqgw.KindInt && v.Int() >= 1 && v.Int() <= MaxCounted
	case "histogram":
		return boundsOK(v)
	case "decayed_sum":
		return halfLife(v) > 0
	}
	return false
}

// ResultType types an aggregate of a feature view. args are the types of its
// arguments without the constants behind them (Params), which are params; star
// is count(*). argTypes are the types to which the arguments are to be cast.
// 42883 when there is no such function for these types, 0A000 with what to
// write instead when there is one but not as a feature, 22023 for a bad constant.
func ResultType(fn string, args []fqgw.Type, params []fqgw.Value, star bool) (argTypes []fqgw.Type, result fqgw.Type, err error) {
	fn = strings.ToLower(fn)
	if hint, ok := refused[fn]; ok {
		return nil, fqgw.Type{}, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "%s is not supported in a feature view", fn).WithHint("%s", hint)
	}
	if star {
		if fn != "count" || len(args) > 0 {
			return nil, fqgw.Type{}, undefined(fn, "*")
		}
		return nil, fqgw.Int8, nil
	}
	if len(args) != 1 || len(params) != Params(fn) {
		return nil, fqgw.Type{}, undefined(fn, typeNames(args, params))
	}
	arg := args[0].Base()
	if arg == fqgw.Unknown {
		arg = fqgw.Text
	}
	result, ok := resultType(canonicalName(fn), &arg)
	if !ok {
		return nil, fqgw.Type{}, undefined(fn, typeNames(args, params))
	}
	if len(params) > 0 && !fits(fn, params[0]) {
		return nil, fqgw.Type{}, fqgw.Errorf(fqgw.CodeInvalidParameter, "%s", withParam[fn].must)
	}
	if arg == args[0].Base() {
		arg = args[0] // no cast needed, the modifier stays
	}
	return []fqgw.Type{arg}, result, nil
}

// resultType gives the result for an argument and may change the type to which
// the argument is cast.
func resultType(fn string, arg *fqgw.Type) (fqgw.Type, bool) {
	isInt := *arg == fqgw.Int2 || *arg == fqgw.Int4 || *arg == fqgw.Int8
	isFloat := *arg == fqgw.Float4 || *arg == fqgw.Float8
	isNumber := isInt || isFloat || *arg == fqgw.Numeric
	switch fn {
	case "count", "approx_count_distinct":
		return fqgw.Int8, arg.Kind() != fqgw.KindNull
	case "sum":
		switch {
		case floatArray(*arg):
			return arg.Base(), true
		case *arg == fqgw.Int2 || *arg == fqgw.Int4:
			return fqgw.Int8, true
		case *arg == fqgw.Int8:
			return fqgw.Numeric, true
		}
		return *arg, isNumber
	case "avg", "var_samp", "var_pop", "stddev_samp", "stddev_pop":
		switch {
		case fn == "avg" && floatArray(*arg):
			return fqgw.Float8.Array(), true
		case isFloat:
			return fqgw.Float8, true
		}
		return fqgw.Numeric, isNumber
	case "min", "max":
		switch *arg {
		case fqgw.Varchar, fqgw.Name, fqgw.CharType:
			*arg = fqgw.Text
		}
		switch *arg {
		case fqgw.Text, fqgw.BPChar, fqgw.Date, fqgw.Time, fqgw.Timestamp, fqgw.Timestamptz, fqgw.Interval, fqgw.OID:
			return *arg, true
		}
		return *arg, isNumber || arg.IsArray()
	case "bool_and", "bool_or":
		return fqgw.Bool, *arg == fqgw.Bool
	case "first_value", "last_value":
		return *arg, arg.Kind() != fqgw.KindNull && arg.Kind() != fqgw.KindRecord
	case "approx_percentile":
		*arg = fqgw.Float8
		return fqgw.Float8, isNumber
	case "decayed_sum":
		*arg = fqgw.Float8
		return fqgw.Float8, isNumber
	case "histogram":
		_, ok := resultType("min", arg)
		return fqgw.Int8.Array(), ok && !arg.IsArray() && *arg != fqgw.BPChar
	case "top_k":
		_, ordered := resultType("min", arg)
		list := arg.Array()
		return list, list.OID != 0 && (ordered || *arg == fqgw.Bool || *arg == fqgw.UUID || *arg == fqgw.Bytea)
	case "array_agg", "last_n":
		list := arg.Array()
		return list, list.OID != 0 && arg.Kind() != fqgw.KindNull && arg.Kind() != fqgw.KindRecord
	}
	return fqgw.Type{}, false
}

func undefined(fn, args string) error {
	e := fqgw.Errorf(fqgw.CodeUndefinedFunction, "aggregate %s(%s) does not exist", fn, args)
	for _, s := range supported {
		if s != fn {
			continue
		}
		if p, ok := withParam[fn]; ok {
			return e.WithHint("Write %s.", p.form)
		}
		if fn == "array_agg" {
			return e.WithHint("Its elements can be of every type but arrays and records.")
		}
		return e.WithHint("No function matches the given name and argument types. You might need to add explicit type casts.")
	}
	if near := fqgw.Nearest(fn, supported); near != "" {
		return e.WithHint("Perhaps you meant %s.", near)
	}
	return e.WithHint("Feature views know %s.", strings.Join(supported, ", "))
}

func typeNames(args []fqgw.Type, params []fqgw.Value) string {
	var names []string
	for _, t := range args {
		names = append(names, t.String())
	}
	for range params {
		names = append(names, "constant")
	}
	return strings.Join(names, ", ")
}

// number reads a constant of any numeric kind.
func number(v fqgw.Value) (float64, bool) {
	switch v.Kind() {
	case fqgw.KindInt:
		return float64(v.Int()), true
	case fqgw.KindFloat:
		return v.Float(), true
	case fqgw.KindNumeric:
		return v.Numeric().Float(), true
	}
	return 0, false
}
