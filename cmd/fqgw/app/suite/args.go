package suite

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/fqgw/fqgw/planner/expr"
)

// args are an expectation's arguments. What is wrong with one is kept, the first of it.
type args struct {
	of      map[string]any
	used    map[string]bool
	columns []string // that were asked for, as they are called
	err     error
}

// passed are arguments that change nothing about which rows are expected.
var passed = []string{"result_format", "include_config", "catch_exceptions", "batch_id", "meta", "auto", "profiler_config", "severity",
	"allow_cross_type_comparisons", "strict_min", "strict_max", "condition_parser"}

func (a *args) fail(format string, values ...any) {
	if a.err == nil {
		a.err = fmt.Errorf(format, values...)
	}
}

// take is an argument that is there and not null.
func (a *args) take(name string) (v any, given bool) {
	a.used[name] = true
	v = a.of[name]
	return v, v != nil
}

// unused fails for an argument that nothing was made of: it may say what the CHECK does not.
func (a *args) unused() {
	for _, name := range slices.Sorted(maps.Keys(a.of)) {
		if v := a.of[name]; !a.used[name] && v != nil && v != false && !slices.Contains(passed, name) {
			a.fail("its argument %s cannot be said", name)
		}
	}
}

// column is a column by the name of its argument, as SQL writes it.
func (a *args) column(name string) string {
	v, _ := a.take(name)
	s, ok := v.(string)
	if !ok {
		a.fail("it has no %s", name)
	}
	a.columns = append(a.columns, s)
	return expr.QuoteIdent(s)
}

func (a *args) columnList() []string {
	var out []string
	for _, v := range a.list("column_list") {
		s, ok := v.(string)
		if !ok {
			a.fail("a column of its column_list has no name")
		}
		a.columns = append(a.columns, s)
		out = append(out, expr.QuoteIdent(s))
	}
	if len(out) < 2 {
		a.fail("it has fewer than two columns")
	}
	return out
}

func (a *args) list(name string) []any {
	v, given := a.take(name)
	l, ok := v.([]any)
	if given && !ok {
		a.fail("its argument %s is a parameter, or no list", name)
	}
	return l
}

func (a *args) flag(name string) bool {
	v, _ := a.take(name)
	return v == true
}

func (a *args) text(name string) string {
	v, _ := a.take(name)
	s, ok := v.(string)
	if !ok {
		a.fail("its argument %s is a parameter, or no text", name)
	}
	return s
}

// literal is a value as SQL writes it.
func (a *args) literal(v any) string {
	text, err := literal(v)
	if err != nil {
		a.fail("%w", err)
	}
	return text
}

func literal(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return quoted(v), nil
	case json.Number:
		if strings.HasPrefix(string(v), "-") {
			return "(" + string(v) + ")", nil
		}
		return string(v), nil
	case bool:
		return strconv.FormatBool(v), nil
	case map[string]any:
		return "", errors.New("it has a parameter whose value is not in the suite")
	}
	return "", fmt.Errorf("it has a value that is no number, text or truth value")
}

// quoted is a literal under standard_conforming_strings.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// within is x between the arguments' bounds; "" when there are none.
func (a *args) within(x string) string {
	var both []string
	for _, b := range []struct{ bound, strict, loose, open string }{
		{"min_value", "strict_min", ">=", ">"}, {"max_value", "strict_max", "<=", "<"},
	} {
		v, given := a.take(b.bound)
		if !given {
			continue
		}
		op := b.loose
		if a.flag(b.strict) {
			op = b.open
		}
		both = append(both, x+" "+op+" "+a.literal(v))
	}
	return strings.Join(both, " AND ")
}

// in is x IN the values, NULLs left out; "" for an empty list.
func (a *args) in(x string, values []any) string {
	var list []string
	for _, v := range values {
		if v != nil {
			list = append(list, a.literal(v))
		}
	}
	if list == nil {
		return ""
	}
	return x + " IN (" + strings.Join(list, ", ") + ")"
}

// missing turns a check of several columns into one that says what becomes of rows in
// which some are NULL, as ignore_row_if does. of a CHECK that is neither true nor false
// Great Expectations says that the row is unexpected, unless the row is passed over.
func (a *args) missing(columns []string, check, all, some string) string {
	ignore := all
	if v, given := a.take("ignore_row_if"); given {
		ignore, _ = v.(string)
	}
	nulls := func(op string) string { return strings.Join(columns, " IS NULL "+op+" ") + " IS NULL" }
	switch ignore {
	case all:
		return fmt.Sprintf("(%s) IS TRUE OR (%s)", check, nulls("AND"))
	case some:
		return fmt.Sprintf("(%s) IS TRUE OR %s", check, nulls("OR"))
	case "neither", "never":
		return fmt.Sprintf("(%s) IS TRUE", check)
	}
	a.fail("its ignore_row_if is %q", ignore)
	return check
}

func isOne(v any) bool {
	n, ok := v.(json.Number)
	f, err := n.Float64()
	return ok && err == nil && f >= 1
}

// parenthesized is an expression that may stand beside OR.
func parenthesized(check string) string { return "(" + check + ")" }
