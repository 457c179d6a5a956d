package expr

import (
	"strings"

	"github.com/fqgw/fqgw"
)

// The aggregates of plain queries: argument types, then the result. Of
// ordered-set aggregates the direct arguments come first, then those of WITHIN GROUP.
var aggregateFacts = []struct{ names, sigs string }{
	{"count", "any int8"},
	{"sum", "int2 int8, int4 int8, int8 numeric, float4 float4, float8 float8, numeric numeric, interval interval"},
	{"avg", "int2 numeric, int4 numeric, int8 numeric, numeric numeric, float4 float8, float8 float8, interval interval"},
	{"min max", "int2 int2, int4 int4, int8 int8, oid oid, float4 float4, float8 float8, numeric numeric, text text, bpchar bpchar, date date, time time, timestamp timestamp, timestamptz timestamptz, interval interval, anyarray anyarray"},
	{"bool_and bool_or every", "bool bool"},
	{"bit_and bit_or bit_xor", "int2 int2, int4 int4, int8 int8"},
	{"array_agg", "anynonarray anyarray, anyarray anyarray"},
	{"string_agg", "text text text, bytea bytea bytea"},
	{"json_agg", "anyelement json"},
	{"jsonb_agg", "anyelement jsonb"},
	{"json_object_agg", "any any json"},
	{"jsonb_object_agg", "any any jsonb"},
	{"stddev stddev_samp stddev_pop variance var_samp var_pop", "int2 numeric, int4 numeric, int8 numeric, numeric numeric, float4 float8, float8 float8"},
	{"corr covar_pop covar_samp regr_avgx regr_avgy regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy", "float8 float8 float8"},
	{"regr_count", "float8 float8 int8"},
	{"percentile_cont", "float8 float8 float8, float8 interval interval, _float8 float8 _float8, _float8 interval _interval"},
	{"percentile_disc", "float8 anyelement anyelement, _float8 anyelement anyarray"},
	{"mode", "anyelement anyelement"},
}

var windowFacts = []struct{ names, sigs string }{
	{"row_number rank dense_rank", "int8"},
	{"percent_rank cume_dist", "float8"},
	{"ntile", "int4 int4"},
	{"lag lead", "anyelement anyelement, anyelement int4 anyelement, anycompatible int4 anycompatible anycompatible"},
	{"first_value last_value", "anyelement anyelement"},
	{"nth_value", "anyelement int4 anyelement"},
}

func signatureTable(facts []struct{ names, sigs string }) map[string][]*overload {
	m := map[string][]*overload{}
	for _, f := range facts {
		for _, name := range strings.Fields(f.names) {
			for _, sig := range strings.Split(f.sigs, ", ") {
				m[name] = append(m[name], parseSignature(name, sig))
			}
		}
	}
	return m
}

var (
	aggregates = signatureTable(aggregateFacts)
	windows    = signatureTable(windowFacts)
)

// IsAggregate says whether name is an aggregate of plain queries.
func IsAggregate(name string) bool { return len(aggregates[name]) > 0 }

// IsWindow says whether name is a window function that is no aggregate.
func IsWindow(name string) bool { return len(windows[name]) > 0 }

// IsOrderedSet says whether the aggregate is called with WITHIN GROUP.
func IsOrderedSet(name string) bool {
	return name == "mode" || strings.HasPrefix(name, "percentile_")
}

// AggregateType resolves a call of an aggregate: the types that its arguments
// are cast to, and the result's. For an ordered-set aggregate args are the
// direct arguments, then those of WITHIN GROUP. 42883 when none fits.
func AggregateType(name string, args []fqgw.Type, star bool) (argTypes []fqgw.Type, result fqgw.Type, err error) {
	if star {
		if name == "count" {
			return nil, fqgw.Int8, nil
		}
		return nil, result, fqgw.Errorf(fqgw.CodeUndefinedFunction, "function %s() does not exist", name).
			WithHint("No function matches the given name and argument types. You might need to add explicit type casts.")
	}
	return resolveTypes(aggregates[name], name, args)
}

// WindowType resolves a call with OVER: a window function's, else an
// aggregate's (count(*) is AggregateType's).
func WindowType(name string, args []fqgw.Type) (argTypes []fqgw.Type, result fqgw.Type, err error) {
	if !IsWindow(name) {
		return AggregateType(name, args, false)
	}
	return resolveTypes(windows[name], name, args)
}

// resolveTypes is overload resolution where only types are wanted.
func resolveTypes(list []*overload, name string, args []fqgw.Type) (argTypes []fqgw.Type, result fqgw.Type, err error) {
	c, n := resolve(list, args, false)
	switch {
	case n == 0:
		return nil, result, noFunction(name, args)
	case n > 1:
		return nil, result, fqgw.Errorf(fqgw.CodeAmbiguousFunction, "function %s(%s) is not unique", name, typeNames(args)).
			WithHint("Could not choose a best candidate function. You might need to add explicit type casts.")
	}
	p, _ := polymorphic(baseTypes(args), c.args)
	for i, d := range c.args {
		t := d
		switch {
		case d == anyType && args[i] == fqgw.Unknown:
			t = fqgw.Text
		case d == anyType:
			t = args[i]
		case isPolymorphic(d):
			if args[i] == fqgw.Unknown && p.elem.OID == 0 && p.compat.OID == 0 {
				p.elem = fqgw.Text // PostgreSQL refuses; a literal is text to us
			}
			if t, err = p.concrete(d); err != nil {
				return nil, result, err
			}
		}
		argTypes = append(argTypes, t)
	}
	result, err = p.concrete(c.over.result)
	return argTypes, result, err
}
