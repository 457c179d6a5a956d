package expr

import (
	"io"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
)

// setRowsOf binds and runs a call of a set-returning function, rows as text.
func setRowsOf(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	var exprs []fqgw.Expr
	for _, a := range args {
		e, err := bindSQL(a)
		if err != nil {
			t.Fatal(err)
		}
		exprs = append(exprs, e)
	}
	coerced, types, names, err := SetFuncColumns(name, exprs)
	if err != nil {
		return "", err
	}
	if len(types) != len(names) {
		t.Fatalf("%s: %d types, %d names", name, len(types), len(names))
	}
	env := answersEnv(t)
	vals, err := evalAll(coerced, env, nil)
	if err != nil {
		return "", err
	}
	rows, err := RunSet(name, env, vals, typesOf(coerced))
	if err != nil {
		return "", err
	}
	var out []string
	for {
		row, err := rows.Next()
		if err == io.EOF {
			return strings.Join(out, " "), nil
		}
		if err != nil {
			return strings.Join(out, " "), err
		}
		var cols []string
		for i, v := range row {
			if v.IsNull() {
				cols = append(cols, `\N`)
			} else {
				cols = append(cols, Text(v, types[i], env))
			}
		}
		if out = append(out, strings.Join(cols, "|")); len(out) > 1000 {
			t.Fatalf("%s does not end", name)
		}
	}
}

func TestSetFunctions(t *testing.T) {
	for _, c := range []struct {
		name, args, want string
	}{
		{"generate_series", "1;4", "1 2 3 4"},
		{"generate_series", "1;10;4", "1 5 9"},
		{"generate_series", "5;1", ""},
		{"generate_series", "5;1;-2", "5 3 1"},
		{"generate_series", "2147483646;2147483647", "2147483646 2147483647"},
		{"generate_series", "9223372036854775806;9223372036854775807", "9223372036854775806 9223372036854775807"},
		{"generate_series", "1;2;0", "!22023 step size cannot equal zero"},
		{"generate_series", "null;2", ""},
		{"generate_series", "1.0;2.5;0.5", "1.0 1.5 2.0 2.5"},
		{"generate_series", "1;'x'", "!22P02 invalid input syntax for type integer: \"x\""},
		{"generate_series", "'2013-03-09'::timestamptz;'2013-03-12'::timestamptz;'1 day'::interval", "2013-03-09 00:00:00-05 2013-03-10 00:00:00-05 2013-03-11 00:00:00-04 2013-03-12 00:00:00-04"},
		{"generate_series", "'2013-03-10'::timestamptz;'2013-03-10 04:00';'1 hour'", "2013-03-10 00:00:00-05 2013-03-10 01:00:00-05 2013-03-10 03:00:00-04 2013-03-10 04:00:00-04"},
		{"generate_series", "'2013-01-31'::timestamp;'2013-04-01';'1 month'", "2013-01-31 00:00:00 2013-02-28 00:00:00 2013-03-28 00:00:00"},
		{"generate_series", "'2013-01-01'::timestamp;'2013-04-01';'0 days'", "!22023 step size cannot equal zero"},
		{"unnest", "array[1,2,null]", `1 2 \N`},
		{"unnest", "'{{1,2},{3,4}}'::int[]", "1 2 3 4"},
		{"unnest", "array[1,2];array['a','b','c']", `1|a 2|b \N|c`},
		{"unnest", "null::int[]", ""},
		{"unnest", "5", "!42883 function unnest(integer) does not exist"},
		{"generate_subscripts", "array[7,8,9];1", "1 2 3"},
		{"generate_subscripts", "array[7,8,9];1;true", "3 2 1"},
		{"generate_subscripts", "'7 8'::int2vector;1", "0 1"},
		{"regexp_split_to_table", `'a1b2c';'\d'`, "a b c"},
		{"regexp_matches", `'foobarbequebazilbarfbonk';'(b[^b]+)(b[^b]+)';'g'`, "{bar,beque} {bazil,barf}"},
		{"regexp_matches", `'abc';'x'`, ""},
		{"string_to_table", "'a,b,c';','", "a b c"},
		{"string_to_table", "'a,b';',';'b'", `a \N`},
		{"json_array_elements", `'[1, "a",null]'`, `1 "a" null`},
		{"jsonb_array_elements_text", `'[1, "a",null]'`, `1 a \N`},
		{"json_object_keys", `'{"b":1,"a":2}'`, "b a"},
		{"jsonb_object_keys", `'{"b":1,"a":2}'`, "a b"},
		{"json_each", `'{"b":[1],"a":null}'`, "b|[1] a|null"},
		{"jsonb_each_text", `'{"b":[1, 2],"a":null}'`, `a|\N b|[1, 2]`},
		{"json_each", `'[1]'`, "!22023 cannot call json_each on an array"},
		{"pg_options_to_table", "array['a=1','b']", `a|1 b|\N`},
		{"_pg_expandarray", "array[5,6]", "5|1 6|2"},
	} {
		got, err := setRowsOf(t, c.name, strings.Split(c.args, ";")...)
		if err != nil {
			got = strings.TrimSpace("!" + string(fqgw.AsError(err).Code) + " " + err.Error())
		}
		if got != c.want {
			t.Errorf("%s(%s)\n got %s\nwant %s", c.name, c.args, got, c.want)
		}
	}
	if out, err := setRowsOf(t, "pg_get_keywords"); err != nil || !strings.Contains(out, "select|R|t|reserved|can be bare label") {
		t.Errorf("pg_get_keywords: %v", err)
	}
}

func TestAggregateTypes(t *testing.T) {
	types := func(s string) (out []fqgw.Type) {
		for _, w := range strings.Fields(s) {
			typ, ok := typeBySQL(w)
			if !ok {
				t.Fatalf("type %s", w)
			}
			out = append(out, typ)
		}
		return out
	}
	for _, c := range []struct{ name, args, want string }{
		{"count", "text", "text -> bigint"},
		{"sum", "int4", "integer -> bigint"}, {"sum", "int8", "bigint -> numeric"}, {"sum", "float4", "real -> real"},
		{"sum", "unknown", "!42725"}, {"sum", "text", "!42883"},
		{"avg", "int4", "integer -> numeric"}, {"avg", "float4", "real -> double precision"}, {"avg", "interval", "interval -> interval"},
		{"max", "varchar", "text -> text"}, {"max", "timestamptz", "timestamp with time zone -> timestamp with time zone"},
		{"min", "_int4", "integer[] -> integer[]"}, {"min", "bool", "!42883"}, {"min", "unknown", "text -> text"},
		{"bool_and", "bool", "boolean -> boolean"}, {"every", "int4", "!42883"},
		{"array_agg", "int4", "integer -> integer[]"}, {"array_agg", "_text", "text[] -> text[]"},
		{"string_agg", "text unknown", "text, text -> text"}, {"string_agg", "varchar varchar", "text, text -> text"},
		{"stddev_samp", "float8", "double precision -> double precision"}, {"var_pop", "int4", "integer -> numeric"},
		{"corr", "int4 float8", "double precision, double precision -> double precision"},
		{"percentile_cont", "numeric int4", "double precision, double precision -> double precision"},
		{"percentile_disc", "numeric int4", "double precision, integer -> integer"},
		{"percentile_cont", "_float8 float8", "double precision[], double precision -> double precision[]"},
		{"mode", "text", "text -> text"}, {"json_agg", "int4", "integer -> json"}, {"jsonb_object_agg", "text int4", "text, integer -> jsonb"},
		{"nosuch", "int4", "!42883"},
		{"row_number", "", " -> bigint"}, {"ntile", "int4", "integer -> integer"}, {"percent_rank", "", " -> double precision"},
		{"lag", "text", "text -> text"}, {"lag", "numeric int4 int4", "numeric, integer, numeric -> numeric"}, {"nth_value", "text int8", "!42883"},
		{"first_value", "int4", "integer -> integer"},
	} {
		args, result, err := WindowType(c.name, types(c.args))
		got := typeNames(args) + " -> " + typeName(result)
		if err != nil {
			got = "!" + string(fqgw.AsError(err).Code)
		}
		if got != c.want {
			t.Errorf("%s(%s): %s, want %s", c.name, c.args, got, c.want)
		}
	}
	if _, r, err := AggregateType("count", nil, true); err != nil || r != fqgw.Int8 {
		t.Errorf("count(*): %v %v", r, err)
	}
	if _, _, err := AggregateType("sum", nil, true); fqgw.AsError(err).Code != fqgw.CodeUndefinedFunction {
		t.Errorf("sum(*): %v", err)
	}
}
