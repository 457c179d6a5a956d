package suite

import (
	"fmt"
	"strings"
)

// kinds say an expectation: what kind of constraint it is, and its expression, "" when it
// holds of every row. The type of a column has the kind "type".
var kinds = map[string]func(a *args) (kind, check string){
	"expect_column_values_to_not_be_null": func(a *args) (string, string) { return "not_null", a.column("column") + " IS NOT NULL" },
	"expect_column_values_to_be_null":     func(a *args) (string, string) { return "null", a.column("column") + " IS NULL" },
	"expect_column_values_to_be_between": func(a *args) (string, string) {
		check := a.within(a.column("column"))
		if check == "" {
			a.fail("it has no bound")
		}
		return "between", check
	},
	"expect_column_values_to_be_in_set": func(a *args) (string, string) {
		x := a.column("column")
		if _, given := a.take("value_set"); !given {
			return "in_set", ""
		}
		if check := a.in(x, a.list("value_set")); check != "" {
			return "in_set", check
		}
		return "in_set", x + " IS NULL"
	},
	"expect_column_values_to_not_be_in_set": func(a *args) (string, string) {
		x := a.column("column")
		return "not_in_set", strings.Replace(a.in(x, a.list("value_set")), x+" IN ", x+" NOT IN ", 1)
	},
	"expect_column_values_to_match_regex":     regex("regex", "~"),
	"expect_column_values_to_not_match_regex": regex("not_regex", "!~"),
	"expect_column_values_to_match_regex_list": func(a *args) (string, string) {
		how := "any"
		if _, given := a.take("match_on"); given {
			how = a.text("match_on")
		}
		op := map[string]string{"any": " OR ", "all": " AND "}[how]
		if op == "" {
			a.fail("its match_on is %q", how)
		}
		return "regex_list", a.each("regex_list", "~", op, regexLiteral)
	},
	"expect_column_values_to_not_match_regex_list": func(a *args) (string, string) {
		return "not_regex_list", a.each("regex_list", "!~", " AND ", regexLiteral)
	},
	"expect_column_values_to_match_like_pattern": func(a *args) (string, string) {
		return "like", a.column("column") + " LIKE " + quoted(a.text("like_pattern"))
	},
	"expect_column_values_to_not_match_like_pattern": func(a *args) (string, string) {
		return "not_like", a.column("column") + " NOT LIKE " + quoted(a.text("like_pattern"))
	},
	"expect_column_values_to_match_like_pattern_list": func(a *args) (string, string) {
		op := " OR "
		if v, _ := a.take("match_on"); v == "all" {
			op = " AND "
		}
		return "like_list", a.each("like_pattern_list", "LIKE", op, plainLiteral)
	},
	"expect_column_values_to_not_match_like_pattern_list": func(a *args) (string, string) {
		return "not_like_list", a.each("like_pattern_list", "NOT LIKE", " AND ", plainLiteral)
	},
	"expect_column_value_lengths_to_be_between": func(a *args) (string, string) {
		check := a.within("length(" + a.column("column") + ")")
		if check == "" {
			a.fail("it has no bound")
		}
		return "length", check
	},
	"expect_column_value_lengths_to_equal": func(a *args) (string, string) {
		v, _ := a.take("value")
		return "length", "length(" + a.column("column") + ") = " + a.literal(v)
	},
	"expect_column_values_to_be_of_type": func(a *args) (string, string) {
		a.column("column")
		return "type", a.typeOf(a.text("type_"))
	},
	"expect_column_values_to_be_in_type_list": func(a *args) (string, string) {
		a.column("column")
		for _, v := range a.list("type_list") {
			if s, ok := v.(string); ok && types[typeWord(s)] != "" {
				return "type", types[typeWord(s)]
			}
		}
		a.fail("it names no type that fqgw knows")
		return "type", ""
	},
	"expect_column_pair_values_a_to_be_greater_than_b": func(a *args) (string, string) {
		pair := a.pair()
		op := ">"
		if a.flag("or_equal") {
			op = ">="
		}
		return "greater", a.missingOfPair(pair, pair[0]+" "+op+" "+pair[1])
	},
	"expect_column_pair_values_to_be_equal": func(a *args) (string, string) {
		pair := a.pair()
		return "equal", a.missingOfPair(pair, pair[0]+" = "+pair[1])
	},
	"expect_column_pair_values_to_be_in_set": func(a *args) (string, string) {
		pair := a.pair()
		if _, given := a.take("value_pairs_set"); !given {
			return "in_set", ""
		}
		var alternatives []string
		for _, v := range a.list("value_pairs_set") {
			l, ok := v.([]any)
			if !ok || len(l) != 2 {
				a.fail("its value_pairs_set has what is no pair")
				break
			}
			var both []string
			for i, x := range l {
				if x == nil {
					both = append(both, pair[i]+" IS NULL")
				} else {
					both = append(both, pair[i]+" = "+a.literal(x))
				}
			}
			alternatives = append(alternatives, "("+strings.Join(both, " AND ")+")")
		}
		if alternatives == nil {
			alternatives = []string{"false"}
		}
		return "in_set", a.missingOfPair(pair, strings.Join(alternatives, " OR "))
	},
	"expect_multicolumn_sum_to_equal": func(a *args) (string, string) {
		columns := a.columnList()
		v, _ := a.take("sum_total")
		return "sum", a.missingOfList(columns, strings.Join(columns, " + ")+" = "+a.literal(v))
	},
	"expect_select_column_values_to_be_unique_within_record": differs,
	"expect_multicolumn_values_to_be_unique":                 differs,
	"expect_multicolumn_values_to_be_equal": func(a *args) (string, string) {
		columns := a.columnList()
		var all []string
		for _, c := range columns[min(1, len(columns)):] {
			all = append(all, columns[0]+" IS NOT DISTINCT FROM "+c)
		}
		return "equal", a.missingOfList(columns, strings.Join(all, " AND "))
	},
}

// differs is of columns of which no two have the same value, NULL being one.
func differs(a *args) (kind, check string) {
	columns := a.columnList()
	var all []string
	for i, x := range columns {
		for _, y := range columns[i+1:] {
			all = append(all, x+" IS DISTINCT FROM "+y)
		}
	}
	return "differ", a.missingOfList(columns, strings.Join(all, " AND "))
}

func (a *args) pair() []string { return []string{a.column("column_A"), a.column("column_B")} }

func (a *args) missingOfPair(pair []string, check string) string {
	return a.missing(pair, check, "both_values_are_missing", "either_value_is_missing")
}

func (a *args) missingOfList(columns []string, check string) string {
	return a.missing(columns, check, "all_values_are_missing", "any_value_is_missing")
}

func regex(kind, op string) func(a *args) (string, string) {
	return func(a *args) (string, string) {
		x := a.column("column")
		text, err := regexLiteral(a.text("regex"))
		if err != nil {
			a.fail("%w", err)
		}
		return kind, x + " " + op + " " + text
	}
}

func regexLiteral(s string) (string, error) {
	s, err := pattern(s)
	return quoted(s), err
}

func plainLiteral(s string) (string, error) { return quoted(s), nil }

// each is a condition on the column for each text of a list.
func (a *args) each(list, op, and string, text func(string) (string, error)) string {
	x := a.column("column")
	var out []string
	for _, v := range a.list(list) {
		s, ok := v.(string)
		if !ok {
			a.fail("its %s has what is no text", list)
			break
		}
		t, err := text(s)
		if err != nil {
			a.fail("%w", err)
		}
		out = append(out, x+" "+op+" "+t)
	}
	if out == nil {
		a.fail("its %s is empty", list)
	}
	return strings.Join(out, and)
}

// types are PostgreSQL's for those that SQLAlchemy, pandas and Spark name.
var types = map[string]string{
	"bool": "boolean", "boolean": "boolean", "booleantype": "boolean", "bool_": "boolean",
	"smallint": "smallint", "int16": "smallint", "shorttype": "smallint", "int2": "smallint",
	"int": "bigint", "integer": "integer", "int32": "integer", "integertype": "integer", "int4": "integer",
	"bigint": "bigint", "int64": "bigint", "longtype": "bigint", "int8": "bigint",
	"real": "real", "float32": "real", "floattype": "real", "float4": "real",
	"float": "double precision", "float64": "double precision", "doubletype": "double precision", "double": "double precision",
	"double_precision": "double precision", "double precision": "double precision", "float8": "double precision",
	"numeric": "numeric", "decimal": "numeric", "decimaltype": "numeric",
	"str": "text", "string": "text", "text": "text", "varchar": "text", "stringtype": "text", "char": "text", "string_": "text",
	"bytes": "bytea", "bytea": "bytea", "binarytype": "bytea",
	"date": "date", "datetype": "date", "time": "time",
	"timestamp": "timestamp", "datetime": "timestamp", "datetime64": "timestamp", "datetime64[ns]": "timestamp", "timestamp without time zone": "timestamp",
	"timestamptz": "timestamptz", "timestamptype": "timestamptz", "datetime64[ns, utc]": "timestamptz", "timestamp with time zone": "timestamptz",
	"uuid": "uuid", "json": "json", "jsonb": "jsonb", "interval": "interval",
}

func typeWord(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

func (a *args) typeOf(name string) string {
	t := types[typeWord(name)]
	if t == "" {
		a.fail("fqgw knows no type %q", name)
	}
	return t
}

// Why other expectations are not said.
const (
	manyRows = "it is about many rows, a CHECK sees one: run Great Expectations over the source, or look at fqgw.quality"
	noSQL    = "no expression of SQL says so"
	declared = "the columns of a source are those that CREATE SOURCE declares"
)

var others = func() map[string]string {
	out := map[string]string{}
	for reason, names := range map[string]string{
		manyRows: `column_values_to_be_unique column_values_to_be_increasing column_values_to_be_decreasing compound_columns_to_be_unique
			column_distinct_values_to_be_in_set column_distinct_values_to_contain_set column_distinct_values_to_equal_set
			column_max_to_be_between column_min_to_be_between column_mean_to_be_between column_median_to_be_between column_stdev_to_be_between
			column_sum_to_be_between column_quantile_values_to_be_between column_most_common_value_to_be_in_set
			column_unique_value_count_to_be_between column_proportion_of_unique_values_to_be_between
			column_proportion_of_non_null_values_to_be_between column_value_z_scores_to_be_less_than column_values_to_not_be_outliers
			column_kl_divergence_to_be_less_than column_chisquare_test_p_value_to_be_greater_than
			column_bootstrapped_ks_test_p_value_to_be_greater_than column_parameterized_distribution_ks_test_p_value_to_be_greater_than
			column_pair_cramers_phi_value_to_be_less_than table_row_count_to_be_between table_row_count_to_equal
			table_row_count_to_equal_other_table query_results_to_match_comparison`,
		noSQL: `column_values_to_match_strftime_format column_values_to_be_dateutil_parseable column_values_to_be_json_parseable
			column_values_to_match_json_schema`,
		declared: `column_to_exist column_type_to_be table_columns_to_match_ordered_list table_columns_to_match_set table_column_count_to_equal
			table_column_count_to_be_between`,
	} {
		for _, name := range strings.Fields(names) {
			out[fmt.Sprintf("expect_%s", name)] = reason
		}
	}
	out["unexpected_rows_expectation"] = manyRows
	return out
}()
