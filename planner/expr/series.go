package expr

import (
	"github.com/fqgw/fqgw"
)

// setFuncs are the set-returning functions.
func setFuncs() map[string][]setFunc {
	return map[string][]setFunc{
		"generate_series": {
			{sig: "int4 int4 int4", run: intSeries}, {sig: "int4 int4 int4 int4", run: intSeries},
			{sig: "int8 int8 int8", run: intSeries}, {sig: "int8 int8 int8 int8", run: intSeries},
			{sig: "numeric numeric numeric", run: numericSeries}, {sig: "numeric numeric numeric numeric", run: numericSeries},
			{sig: "timestamp timestamp interval timestamp", run: timeSeries},
			{sig: "timestamptz timestamptz interval timestamptz", run: timeSeries},
		},
		"unnest":                    {{sig: "anyarray anyelement", run: unnest}},
		"generate_subscripts":       {{sig: "anyarray int4 int4", run: subscripts}, {sig: "anyarray int4 bool int4", run: subscripts}},
		"regexp_split_to_table":     {{sig: "text text text", run: regexpSplitSet}, {sig: "text text text text", run: regexpSplitSet}},
		"regexp_matches":            {{sig: "text text _text", run: regexpMatchesSet}, {sig: "text text text _text", run: regexpMatchesSet}},
		"string_to_table":           {{sig: "text text text|n", run: stringToTable}, {sig: "text text text text|n", run: stringToTable}},
		"json_array_elements":       {{sig: "json json", columns: "value json", run: jsonElements(false, false)}},
		"jsonb_array_elements":      {{sig: "jsonb jsonb", columns: "value jsonb", run: jsonElements(true, false)}},
		"json_array_elements_text":  {{sig: "json text", columns: "value text", run: jsonElements(false, true)}},
		"jsonb_array_elements_text": {{sig: "jsonb text", columns: "value text", run: jsonElements(true, true)}},
		"json_object_keys":          {{sig: "json text", run: jsonKeys(false)}},
		"jsonb_object_keys":         {{sig: "jsonb text", run: jsonKeys(true)}},
		"json_each":                 {{sig: "json record", columns: "key text value json", run: jsonEach(false, false)}},
		"jsonb_each":                {{sig: "jsonb record", columns: "key text value jsonb", run: jsonEach(true, false)}},
		"json_each_text":            {{sig: "json record", columns: "key text value text", run: jsonEach(false, true)}},
		"jsonb_each_text":           {{sig: "jsonb record", columns: "key text value text", run: jsonEach(true, true)}},
		"pg_options_to_table":       {{sig: "_text record", columns: "option_name text option_value text", run: optionsToTable}},
		"pg_get_keywords":           {{sig: "record", columns: "word text catcode char barelabel bool catdesc text baredesc text", run: keywordRows}},
		"_pg_expandarray":           {{sig: "anyarray record", columns: "x elem n int4", run: expandArray}},
		"pg_partition_ancestors":    {{sig: "regclass regclass", columns: "relid regclass", run: func(_ *fqgw.Env, _ []fqgw.Type, args []value) (setRows, error) { return columnOf(args), nil }}},
		"pg_listening_channels":     {{sig: "text", run: noRows}},
		"fqgw.sample": {{sig: "text record", columns: sampleColumns, run: askSet("fqgw.sample")},
			{sig: "text int4 record", columns: sampleColumns, run: askSet("fqgw.sample")}},
		"fqgw.plan": {{sig: "_text record", columns: planColumns, run: askSet("fqgw.plan")},
			{sig: "_text bool record", columns: planColumns, run: askSet("fqgw.plan")}},
		"aclexplode": {{sig: "_aclitem record", columns: "grantor oid grantee oid privilege_type text is_grantable bool", run: noRows}},
	}
}

const sampleColumns = "partition int4 offset int8 record_time timestamptz key text payload text headers _text"

const planColumns = "action text kind text name text why text rebuild bool events int8 loses int8 statements _text sequence _int4 " +
	"definition int4 position int4 sqlstate text message text detail text hint text"

// askSet runs a function that the session has.
func askSet(name string) func(env *fqgw.Env, _ []fqgw.Type, args []value) (setRows, error) {
	return func(env *fqgw.Env, _ []fqgw.Type, args []value) (setRows, error) {
		if env.Session == nil {
			return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "%s() cannot be used here", name)
		}
		rows, err := env.Session.CallSet(sessionContext(env), name, args)
		return rowsOf(rows), err
	}
}

func noRows(*fqgw.Env, []fqgw.Type, []value) (setRows, error) { return columnOf(nil), nil }

var errZeroStep = "step size cannot equal zero"

func intSeries(_ *fqgw.Env, types []fqgw.Type, args []value) (setRows, error) {
	at, stop, step := args[0].Int(), args[1].Int(), int64(1)
	if len(args) == 3 {
		step = args[2].Int()
	}
	if step == 0 {
		return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "%s", errZeroStep)
	}
	done := false
	return func() ([]value, error) {
		if done || step > 0 && at > stop || step < 0 && at < stop {
			return nil, nil
		}
		v := at
		at += step
		// Past the type's end there is no next one.
		done = (step > 0) != (at > v) || intRange(at, types[0]) != nil
		return []value{fqgw.IntValue(v)}, nil
	}, nil
}

func numericSeries(_ *fqgw.Env, _ []fqgw.Type, args []value) (setRows, error) {
	at, stop, step := args[0].Numeric(), args[1].Numeric(), fqgw.DecimalFromInt(1)
	if len(args) == 3 {
		step = args[2].Numeric()
	}
	for i, d := range []fqgw.Decimal{at, stop, step} {
		what := [...]string{"start value", "stop value", "step size"}[i]
		if d.IsNaN() {
			return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "%s cannot be NaN", what)
		}
		if d.IsInf() {
			return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "%s cannot be infinity", what)
		}
	}
	if step.IsZero() {
		return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "%s", errZeroStep)
	}
	return func() ([]value, error) {
		if c := at.Cmp(stop); c > 0 && step.Sign() > 0 || c < 0 && step.Sign() < 0 {
			return nil, nil
		}
		v := at
		at = at.Add(step)
		return []value{fqgw.NumericValue(v)}, nil
	}, nil
}

func timeSeries(env *fqgw.Env, types []fqgw.Type, args []value) (setRows, error) {
	at, stop, step := args[0].Int(), args[1].Int(), args[2].Span()
	sign := fqgw.Compare(args[2], fqgw.SpanValue(fqgw.Span{}))
	if sign == 0 {
		return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "%s", errZeroStep)
	}
	if isInfinite(at) && at < stop != (sign < 0) {
		return nil, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "timestamp out of range")
	}
	return func() ([]value, error) {
		if sign > 0 && at > stop || sign < 0 && at < stop {
			return nil, nil
		}
		v := fqgw.TimestampValue(at)
		next, err := addInZone(at, step, types[0].OID == fqgw.Timestamptz.OID, env)
		at = next
		return []value{v}, err
	}, nil
}

func unnest(_ *fqgw.Env, _ []fqgw.Type, args []value) (setRows, error) {
	return columnOf(args[0].List().Items), nil
}

func subscripts(_ *fqgw.Env, types []fqgw.Type, args []value) (setRows, error) {
	d, dim, base := dims(args[0].List()), args[1].Int(), lowerBound(types[0])
	if dim < 1 || dim > int64(len(d)) {
		return columnOf(nil), nil
	}
	n := d[dim-1]
	out := make([]value, n)
	for i := range out {
		k := i
		if len(args) == 3 && args[2].Bool() {
			k = n - 1 - i
		}
		out[i] = fqgw.IntValue(int64(base + k))
	}
	return columnOf(out), nil
}

func expandArray(_ *fqgw.Env, types []fqgw.Type, args []value) (setRows, error) {
	var rows [][]value
	for i, v := range args[0].List().Items {
		rows = append(rows, []value{v, fqgw.IntValue(int64(i + 1))})
	}
	return rowsOf(rows), nil
}
