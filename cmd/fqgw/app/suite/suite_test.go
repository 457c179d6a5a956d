package suite

import (
	"fmt"
	"strings"
	"testing"
)

// TestRead: what an expectation comes to, of both forms of files.
func TestRead(t *testing.T) {
	for _, c := range []struct{ expectation, want string }{
		{`"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "a"}`, `ALTER SOURCE s ALTER COLUMN a SET NOT NULL;`},
		{`"expectation_type": "expect_column_values_to_not_be_null", "kwargs": {"column": "A b", "mostly": 1.0, "result_format": "BASIC"}`,
			`ALTER SOURCE s ALTER COLUMN "A b" SET NOT NULL;`},
		{`"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "a", "mostly": 0.99}`, `not said: mostly is less than 1`},
		{`"type": "expect_column_values_to_be_between", "kwargs": {"column": "a", "min_value": -1.50, "max_value": 1e3, "strict_max": true}`,
			`ADD CONSTRAINT s_a_between CHECK (a >= (-1.50) AND a < 1e3);`},
		{`"type": "expect_column_values_to_be_between", "kwargs": {"column": "at", "min_value": "2026-01-01", "max_value": null}`, `CHECK (at >= '2026-01-01');`},
		{`"type": "expect_column_values_to_be_between", "kwargs": {"column": "a"}`, `not said: it has no bound`},
		{`"type": "expect_column_values_to_be_between", "kwargs": {"column": "a", "min_value": {"$PARAMETER": "x"}}`, `not said: it has a parameter`},
		{`"type": "expect_column_values_to_be_between", "kwargs": {"column": "a", "min_value": 1, "parse_strings_as_datetimes": true}`,
			`not said: its argument parse_strings_as_datetimes cannot be said`},
		{`"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "k", "value_set": ["it's", null, 7, true]}`, `CHECK (k IN ('it''s', 7, true));`},
		{`"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "k", "value_set": []}`, `CHECK (k IS NULL);`},
		{`"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "k", "value_set": null}`, ``},
		{`"type": "expect_column_values_to_not_be_in_set", "kwargs": {"column": "k", "value_set": ["a"]}`, `s_k_not_in_set CHECK (k NOT IN ('a'));`},
		{`"type": "expect_column_values_to_not_be_in_set", "kwargs": {"column": "k", "value_set": []}`, ``},
		{`"type": "expect_column_values_to_match_regex", "kwargs": {"column": "k", "regex": "^\\d{,3}.x'$"}`, `CHECK (k ~ '^\d{0,3}[^\n]x''$');`},
		{`"type": "expect_column_values_to_match_regex", "kwargs": {"column": "k", "regex": "(?<!a)b"}`, `not said: the regular expression has "(?<!"`},
		{`"type": "expect_column_values_to_match_like_pattern", "kwargs": {"column": "k", "like_pattern": "a_%"}`, `s_k_like CHECK (k LIKE 'a_%');`},
		{`"type": "expect_column_value_lengths_to_be_between", "kwargs": {"column": "k", "max_value": 3}`, `CHECK (length(k) <= 3);`},
		{`"type": "expect_column_values_to_be_of_type", "kwargs": {"column": "k", "type_": "DOUBLE_PRECISION"}`, `type: k double precision`},
		{`"type": "expect_column_values_to_be_of_type", "kwargs": {"column": "k", "type_": "MONEY"}`, `not said: fqgw knows no type "MONEY"`},
		{`"type": "expect_column_values_to_be_in_type_list", "kwargs": {"column": "k", "type_list": ["nosuch", "datetime64[ns, UTC]"]}`, `type: k timestamptz`},
		{`"type": "expect_column_pair_values_a_to_be_greater_than_b", "kwargs": {"column_A": "a", "column_B": "b", "ignore_row_if": "either_value_is_missing"}`,
			`s_a_b_greater CHECK ((a > b) IS TRUE OR a IS NULL OR b IS NULL);`},
		{`"type": "expect_column_pair_values_a_to_be_greater_than_b", "kwargs": {"column_A": "a", "column_B": "b", "ignore_row_if": "x"}`, `not said: its ignore_row_if is "x"`},
		{`"type": "expect_column_values_to_be_unique", "kwargs": {"column": "a"}`, `not said: it is about many rows`},
		{`"type": "expect_column_values_to_be_json_parseable", "kwargs": {"column": "a"}`, `not said: no expression of SQL`},
		{`"type": "expect_column_to_exist", "kwargs": {"column": "a"}`, `not said: the columns of a source are`},
		{`"type": "expect_my_own", "kwargs": {"column": "a"}`, `not said: fqgw does not know it`},
		{`"type": "expect_column_values_to_be_null", "kwargs": {}`, `not said: it has no column`},
		{`"type": "expect_column_values_to_be_null", "kwargs": {"column": "a", "row_condition": "col(\"k\") != 'x'"}`,
			`CHECK ((k IS DISTINCT FROM 'x') IS NOT TRUE OR (a IS NULL));`},
		{`"type": "expect_column_values_to_be_null", "kwargs": {"column": "a", "row_condition": "col(\"d\")>=date(\"2026-01-01\")"}`,
			`CHECK ((d >= '2026-01-01') IS NOT TRUE OR (a IS NULL));`},
		{`"type": "expect_column_values_to_be_null", "kwargs": {"column": "a", "row_condition": "f(k) > 1"}`, `not said: its row_condition cannot be said`},
		{`"type": "expect_column_values_to_be_null", "kwargs": {"column": "a", "row_condition": "k"}`, `not said: its row_condition cannot be said: nothing is asked of "k"`},
		{`"type": "expect_column_values_to_be_null", "kwargs": {"column": "a", "row_condition": "k > 1 2"}`, `not said: its row_condition cannot be said: "2" is not understood`},
		{`"type": "expect_column_values_to_be_null", "kwargs": {"column": "a", "row_condition": "k == \"a'b; --\""}`,
			`CHECK ((k = 'a''b; --') IS NOT TRUE OR (a IS NULL));`},
	} {
		s, err := Read([]byte(`{"name": "n", "expectations": [{`+c.expectation+`}]}`), "s")
		if err != nil {
			t.Errorf("%s: %v", c.expectation, err)
			continue
		}
		got := strings.Join(s.Statements("s"), "\n")
		for _, typ := range s.Types {
			got += fmt.Sprintf("type: %s %s", typ.Column, typ.Type)
		}
		for _, u := range s.Unsaid {
			got += "not said: " + u.Reason
		}
		if !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s\n got %s\nwant %s", c.expectation, got, c.want)
		}
	}
	for _, bad := range []string{``, `[]`, `{}`, `{"expectations": 7}`, `{"expectations": [{"type": "x", "kwargs": []}]}`} {
		if _, err := Read([]byte(bad), "s"); err == nil || !strings.Contains(err.Error(), "no suite of Great Expectations") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestNames: a name stays when others come and go, unless they would have the same.
func TestNames(t *testing.T) {
	between := func(column string, min int) string {
		return fmt.Sprintf(`{"type": "expect_column_values_to_be_between", "kwargs": {"column": "%s", "min_value": %d}}`, column, min)
	}
	names := func(list ...string) (out []string) {
		s, err := Read([]byte(`{"expectations": [`+strings.Join(list, ",")+`]}`), "s")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range s.Constraints {
			out = append(out, c.Name)
		}
		return out
	}
	if got := names(between("a", 1), between("b", 1), between("a", 1)); len(got) != 2 || got[0] != "s_a_between" || got[1] != "s_b_between" {
		t.Errorf("one said twice: %v", got)
	}
	one, other := names(between("a", 1), between("a", 2)), names(between("a", 2), between("a", 1))
	if len(one) != 2 || one[0] == one[1] || one[0] != other[1] || one[1] != other[0] || !strings.HasPrefix(one[0], "s_a_between_") {
		t.Errorf("two of one kind: %v, %v", one, other)
	}
	long := names(between(strings.Repeat("ü", 40), 1), between(strings.Repeat("ü", 41), 1))
	if len(long) != 2 || long[0] == long[1] || len(long[0]) > 63 || !strings.HasPrefix(long[0], "s_üüü") {
		t.Errorf("long ones: %v", long)
	}
}

// TestElements is what CREATE SOURCE takes.
func TestElements(t *testing.T) {
	s, err := Read([]byte(`{"expectations": [
		{"type": "expect_column_values_to_be_of_type", "kwargs": {"column": "a", "type_": "BIGINT"}},
		{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "a"}},
		{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "b"}},
		{"type": "expect_column_values_to_be_between", "kwargs": {"column": "a", "min_value": 1}}]}`), "s")
	if err != nil {
		t.Fatal(err)
	}
	const want = `a bigint NOT NULL
CONSTRAINT s_b_not_null CHECK (b IS NOT NULL)
CONSTRAINT s_a_between CHECK (a >= 1)`
	if got := strings.Join(s.Elements(), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestPattern spells Python's regular expressions.
func TestPattern(t *testing.T) {
	for _, c := range [][2]string{
		{`a.b`, `a[^\n]b`}, {`(?s)a.b`, `a.b`}, {`(?im)^a`, `(?iw)^a`}, {`\bx\B`, `\yx\Y`}, {`[\b.]`, `[\b.]`}, {`[]a[b]`, `[\]a\[b]`}, {`[^]]`, `[^\]]`},
		{`(?P<n>a)`, `(a)`}, {`\x41\x2e\xeb`, `A\.ë`}, {`\.\[`, `\.\[`}, {`a{,2}`, `a{0,2}`}, {`a+?\++`, `a+?\++`}, {`(?:a|b)`, `(?:a|b)`},
	} {
		if got, err := pattern(c[0]); err != nil || got != c[1] {
			t.Errorf("%s is %s, %v, not %s", c[0], got, err, c[1])
		}
	}
	for _, bad := range []string{`a\`, `[a`, `(?=a)`, `(?P=n)`, `(?#c)`, `(a)\1`, `a*+`, `[\D]`, `\N{DASH}`, `\x0`, `\x00`, `(?P<n`} {
		if got, err := pattern(bad); err == nil {
			t.Errorf("%s is %s", bad, got)
		}
	}
}

// FuzzPattern: no pattern is too odd.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{`[]`, `\`, `(?i)[^\x`, `{,`, `(?P<`, `\x4`} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, s string) {
		_, _ = pattern(s)
		_, _ = parseCondition(s)
	})
}
