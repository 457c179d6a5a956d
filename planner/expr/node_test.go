package expr

import (
	"context"
	"io"
	"math/big"
	"testing"

	"github.com/fqgw/fqgw"
)

var people = []fqgw.Column{{Name: "id", Type: fqgw.Int8}, {Name: "name", Type: fqgw.Varchar}, {Name: "score", Type: fqgw.Float8},
	{Name: "at", Type: fqgw.Timestamptz}, {Name: "Tags", Type: fqgw.Text.Array()}, {Name: "ok", Type: fqgw.Bool}}

func bound(t *testing.T, sql string) fqgw.Expr {
	t.Helper()
	e, err := bindSQL(sql, people...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return e
}

// TestCanonical pins what String prints.
func TestCanonical(t *testing.T) {
	for sql, want := range map[string]string{
		"id + 1":                      "(id + 1)",
		"id+1 > 5 and not ok":         "(((id + 1) > 5) AND (NOT ok))",
		"ok and ok and (ok or ok)":    "(ok AND ok AND (ok OR ok))",
		"name = 'x'":                  "(name::text = 'x'::text)",
		"name like 'a%'":              "(name::text ~~ 'a%'::text)",
		"(score > 15)::int":           "(score > '15'::double precision)::integer",
		"score > 15":                  "(score > '15'::double precision)",
		"coalesce(score, 0)":          "COALESCE(score, '0'::double precision)",
		"coalesce(score, -1.5)":       "COALESCE(score, '-1.5'::double precision)",
		"at > '2013-01-05 12:00Z'":    "(at > '2013-01-05 12:00:00+00'::timestamp with time zone)",
		"at > '2013-01-05'":           "(at > '2013-01-05'::timestamp with time zone)",
		"at - interval '90 minutes'":  "(at - '01:30:00'::interval)",
		"case when ok then id end":    "CASE WHEN ok THEN id ELSE NULL::bigint END",
		"id in (1, 2)":                "(id IN ('1'::bigint, '2'::bigint))",
		"name is distinct from 'x'":   "(name::text IS DISTINCT FROM 'x'::text)",
		"extract(epoch from at)":      `"extract"('epoch'::text, at)`,
		"\"Tags\"[1]":                 `"Tags"[1]`,
		"lower(name) || 'it''s'":      "(lower(name::text) || 'it''s'::text)",
		"nullif(id, 0)":               "NULLIF(id, 0)",
		"id = any('{1,2}')":           "(id = ANY ('{1,2}'::bigint[]))",
		"-score":                      "(- score)",
		"- 5":                         "'-5'::integer",
		"now() - at < '1 day'":        "((now() - at) < '1 day'::interval)",
		"current_date":                "current_date",
		"null::numeric(5,2)":          "NULL::numeric(5,2)",
		"cast(name as char(3))":       "name::character(3)",
		"left(name, 2)":               `"left"(name::text, 2)`,
		"row(id, name) = row(1, 'x')": "(ROW(id, name::text) = ROW(1, 'x'::text))",
	} {
		got := bound(t, sql).String()
		if got != want {
			t.Errorf("%s prints as %s, want %s", sql, got, want)
		}
		again, err := bindSQL(got, people...)
		if err != nil || again.String() != got {
			t.Errorf("%s prints as %s, which reads as %v (%v)", sql, got, again, err)
		}
	}
}

func TestParams(t *testing.T) {
	id := &Column{Index: 0, Typ: fqgw.Int8, Name: "id"}
	p := &Param{Index: 1, Typ: fqgw.Unknown}
	e, err := Op("=", id, p)
	if err != nil || p.Typ != fqgw.Int8 {
		t.Fatalf("id = $1: %v, parameter %v", err, p.Typ)
	}
	v, err := e.Eval(&fqgw.Env{Args: []value{fqgw.IntValue(7)}}, []value{fqgw.IntValue(7)})
	if err != nil || !v.True() {
		t.Errorf("id = $1: %v %v", v, err)
	}
	if _, err := e.Eval(&fqgw.Env{}, []value{fqgw.IntValue(7)}); fqgw.AsError(err).Code != fqgw.CodeUndefinedParameter {
		t.Errorf("without arguments: %v", err)
	}
	// A parameter that has its type is cast from it.
	e, err = Op("+", p, &Const{Val: fqgw.NumericValue(fqgw.NewDecimal(big.NewInt(15), 1)), Typ: fqgw.Numeric})
	if err != nil || e.Type() != fqgw.Numeric || e.String() != "($1::numeric + 1.5)" {
		t.Errorf("$1 + 1.5: %v %v", e, err)
	}
	arr := &Param{Index: 2, Typ: fqgw.Unknown}
	if _, err := AnyAll("=", id, arr, false); err != nil || arr.Typ != fqgw.Int8.Array() {
		t.Errorf("id = ANY($2): %v, parameter %v", err, arr.Typ)
	}
	text := &Param{Index: 3, Typ: fqgw.Unknown}
	if _, err := Func("concat", []fqgw.Expr{text}); err != nil || text.Typ != fqgw.Text {
		t.Errorf("concat($3): %v, parameter %v", err, text.Typ)
	}
}

func TestWalkAndRewrite(t *testing.T) {
	e := bound(t, "case when id in (1,2,3,4,5,6,7,8,9,10) then coalesce(score, 0) * 2 else greatest(score, id) end")
	cols := 0
	Walk(e, func(e fqgw.Expr) bool {
		if _, ok := e.(*Column); ok {
			cols++
		}
		return true
	})
	if cols != 4 {
		t.Errorf("%d columns", cols)
	}
	before := e.String()
	moved := Rewrite(e, func(e fqgw.Expr) fqgw.Expr {
		if c, ok := e.(*Column); ok {
			return &Column{Index: c.Index + 1, Typ: c.Typ, Name: c.Name}
		}
		return e
	})
	if e.String() != before {
		t.Error("Rewrite changed its argument")
	}
	row := []value{fqgw.Null, fqgw.IntValue(11), fqgw.Null, fqgw.FloatValue(2.5)}
	if v, err := moved.Eval(nil, row); err != nil || v.Float() != 11 {
		t.Errorf("rewritten: %v %v", v, err)
	}
	row[1] = fqgw.IntValue(3)
	if v, err := moved.Eval(nil, row); err != nil || v.Float() != 5 {
		t.Errorf("rewritten: %v %v", v, err)
	}
	if same := Rewrite(e, func(e fqgw.Expr) fqgw.Expr { return e }); same != e {
		t.Error("a rewrite that changes nothing copied the tree")
	}
	// Inside a rewritten IN of constants the hash must follow the items.
	in := Rewrite(bound(t, "id in (1,2,3,4,5,6,7,8,9,10)"), func(e fqgw.Expr) fqgw.Expr {
		if c, ok := e.(*Const); ok && c.Val.Int() == 10 {
			return &Const{Val: fqgw.IntValue(99), Typ: c.Typ}
		}
		return e
	})
	if v, _ := in.Eval(nil, []value{fqgw.IntValue(10)}); v.True() {
		t.Error("IN looks up the old items")
	}
	if v, _ := in.Eval(nil, []value{fqgw.IntValue(99)}); !v.True() {
		t.Error("IN does not look up the new item")
	}
}

func TestProperties(t *testing.T) {
	for _, c := range []struct {
		sql                      string
		volatile, now, immutable bool
	}{
		{"id + 1", false, false, true},
		{"random()", true, false, false},
		{"at > now() - interval '1 day'", false, true, false},
		{"at > 'now'", false, true, false},
		{"at > 'yesterday'", false, true, false},
		{"at > '2013-01-05'", false, false, false},
		{"at > '2013-01-05Z'", false, false, true},
		{"current_date = '2013-01-05'", false, true, false},
		{"date_trunc('day', at)", false, false, false},
		{"at at time zone 'UTC'", false, false, true},
		{"at::text", false, false, false},
		{"id::text", false, false, true},
		{"clock_timestamp()", true, true, false},
		{"lower(name)", false, false, true},
	} {
		e := bound(t, c.sql)
		if Volatile(e) != c.volatile || MentionsNow(e) != c.now || Immutable(e) != c.immutable {
			t.Errorf("%s: volatile %v, now %v, immutable %v", c.sql, Volatile(e), MentionsNow(e), Immutable(e))
		}
	}
	outer := &Column{Index: 0, Level: 2, Typ: fqgw.Int8, Name: "id"}
	e, err := Op("=", &Column{Index: 0, Typ: fqgw.Int8, Name: "id"}, outer)
	if err != nil || MaxOuter(e) != 2 {
		t.Fatalf("MaxOuter %d, %v", MaxOuter(e), err)
	}
	env := &fqgw.Env{Outer: [][]value{{fqgw.IntValue(1)}, {fqgw.IntValue(2)}}}
	if v, err := e.Eval(env, []value{fqgw.IntValue(1)}); err != nil || !v.True() {
		t.Errorf("the second enclosing row: %v %v", v, err)
	}
	if _, err := e.Eval(&fqgw.Env{}, []value{fqgw.IntValue(1)}); fqgw.AsError(err).Code != fqgw.CodeInternal {
		t.Errorf("without enclosing rows: %v", err)
	}
}

// planRows is a plan of tests: its rows.
type planRows [][]value

func (p planRows) env(seen *[]value) *fqgw.Env {
	return &fqgw.Env{Run: func(env *fqgw.Env, plan any) (fqgw.Rows, error) {
		*seen = env.Outer[len(env.Outer)-1]
		at := 0
		rows := plan.(planRows)
		return setIterator(func() ([]value, error) {
			if at >= len(rows) {
				return nil, nil
			}
			at++
			return rows[at-1], nil
		}), nil
	}}
}

func TestSubqueries(t *testing.T) {
	one, two, null := fqgw.IntValue(1), fqgw.IntValue(2), fqgw.Null
	left := []fqgw.Expr{&Column{Index: 0, Typ: fqgw.Int4, Name: "x"}}
	pair := []fqgw.Expr{left[0], &Const{Val: two, Typ: fqgw.Int4}}
	for _, c := range []struct {
		kind SubqueryKind
		op   string
		left []fqgw.Expr
		rows planRows
		want string
	}{
		{ScalarSubquery, "", nil, planRows{{two}}, "2"},
		{ScalarSubquery, "", nil, planRows{}, `\N`},
		{ScalarSubquery, "", nil, planRows{{one}, {two}}, "!21000"},
		{ExistsSubquery, "", nil, planRows{{one}}, "t"},
		{ExistsSubquery, "", nil, planRows{}, "f"},
		{AnySubquery, "=", left, planRows{{two}, {one}}, "t"},
		{AnySubquery, "=", left, planRows{{two}}, "f"},
		{AnySubquery, "=", left, planRows{{two}, {null}}, `\N`},
		{AnySubquery, "=", left, planRows{}, "f"},
		{AllSubquery, "<>", left, planRows{{two}}, "t"},
		{AllSubquery, "<>", left, planRows{{two}, {null}}, `\N`},
		{AllSubquery, "<>", left, planRows{{one}, {null}}, "f"},
		{AllSubquery, "<>", left, planRows{}, "t"},
		{AnySubquery, "=", pair, planRows{{one, one}, {one, two}}, "t"},
		{RowSubquery, "=", pair, planRows{{one, two}}, "t"},
		{RowSubquery, "<", pair, planRows{{two, one}}, "t"},
		{RowSubquery, "=", pair, planRows{}, `\N`},
		{RowSubquery, "=", pair, planRows{{one, two}, {one, two}}, "!21000"},
		{ArraySubquery, "", nil, planRows{{one}, {null}}, "{1,NULL}"},
		{ArraySubquery, "", nil, planRows{}, "{}"},
	} {
		types := []fqgw.Type{fqgw.Int4}
		if len(c.left) == 2 {
			types = append(types, fqgw.Int8)
		}
		s, err := NewSubquery(c.kind, c.rows, types, c.op, c.left)
		if err != nil {
			t.Fatal(err)
		}
		var seen []value
		v, err := s.Eval(c.rows.env(&seen), []value{one})
		got := Text(v, s.Type(), nil)
		if v.IsNull() {
			got = `\N`
		}
		if err != nil {
			got = "!" + string(fqgw.AsError(err).Code)
		}
		if got != c.want || len(seen) != 1 || seen[0].Int() != 1 {
			t.Errorf("kind %d %s over %v: %s, want %s (outer row %v)", c.kind, c.op, c.rows, got, c.want, seen)
		}
	}
	if _, err := NewSubquery(ScalarSubquery, nil, []fqgw.Type{fqgw.Int4, fqgw.Int4}, "", nil); fqgw.AsError(err).Code != fqgw.CodeSyntax {
		t.Errorf("two columns: %v", err)
	}
	if s, err := NewSubquery(ExistsSubquery, nil, nil, "", nil); err != nil {
		t.Error(err)
	} else if _, err := s.Eval(nil, nil); fqgw.AsError(err).Code != fqgw.CodeFeatureNotSupported {
		t.Errorf("without Run: %v", err)
	}
}

func TestHashKey(t *testing.T) {
	var vals []value
	for _, s := range []string{"0", "1", "-1", "1.0", "1.5", "0.1", "1e20", "100000000000000000000", "0.333333333333333333", "12345678901234567890.5", "NaN", "Infinity", "-Infinity", "9007199254740993"} {
		v, err := Parse(s, fqgw.Numeric, nil)
		if err != nil {
			t.Fatal(err)
		}
		vals = append(vals, v, fqgw.NumericValue(v.Numeric().Add(fqgw.NewDecimal(new(big.Int), 5)))) // another scale
		if f, err := Parse(s, fqgw.Float8, nil); err == nil && s != "9007199254740993" {
			vals = append(vals, f)
		}
		if i, err := Parse(s, fqgw.Int8, nil); err == nil {
			vals = append(vals, i)
		}
	}
	vals = append(vals, fqgw.FloatValue(0), fqgw.FloatValue(-1/1e308/1e308), fqgw.Null, fqgw.TextValue(""), fqgw.TextValue("a"), fqgw.BytesValue("a"),
		fqgw.BoolValue(true), fqgw.BoolValue(false), fqgw.DateValue(1), fqgw.TimestampValue(1),
		fqgw.SpanValue(fqgw.Span{Months: 1}), fqgw.SpanValue(fqgw.Span{Days: 30}), fqgw.SpanValue(fqgw.Span{Days: 29, Micros: usDay}), fqgw.SpanValue(fqgw.Span{Days: -1}),
		fqgw.SpanValue(fqgw.Span{Micros: -usDay}), fqgw.ArrayOf(fqgw.Int4, fqgw.IntValue(1)), fqgw.ArrayOf(fqgw.Int4), fqgw.ArrayOf(fqgw.Int4, fqgw.Null),
		fqgw.RecordValue(nil, []value{fqgw.IntValue(1)}))
	for _, a := range vals {
		for _, b := range vals {
			inexact := a.Kind() != b.Kind() && (a.Kind() == fqgw.KindFloat || b.Kind() == fqgw.KindFloat)
			if same := string(HashKey(nil, a)) == string(HashKey(nil, b)); same != (fqgw.Compare(a, b) == 0) && !inexact {
				t.Errorf("%v and %v: equal keys %v, Compare %d", a, b, same, fqgw.Compare(a, b))
			}
		}
	}
}

// session answers what the tests ask for.
type session struct{ calls []string }

func (s *session) Setting(name string) (string, bool) { return "public, fqgw", name == "search_path" }
func (s *session) CallSet(context.Context, string, []fqgw.Value) ([][]fqgw.Value, error) {
	return nil, nil
}
func (s *session) SetSetting(name, value string, _ bool) error { return nil }
func (s *session) User() string                                { return "ann" }
func (s *session) Database() string                            { return "db" }
func (s *session) BackendPID() int32                           { return 42 }
func (s *session) Catalog() *fqgw.Catalog {
	return &fqgw.Catalog{Tables: map[fqgw.QualifiedName]*fqgw.Table{fqgw.Public("My Table"): {OID: 16400, Name: "My Table"}}}
}

func (s *session) Call(_ context.Context, name string, args []value) (value, bool, error) {
	s.calls = append(s.calls, name)
	switch {
	case name == "fqgw.sync":
		return fqgw.Null, true, io.ErrUnexpectedEOF
	case name == "regclass_in":
		return fqgw.IntValue(16400), true, nil
	case name == "regclass_out" && args[0].Int() == 16400:
		return fqgw.TextValue(`"My Table"`), true, nil
	}
	return fqgw.Null, false, nil
}

func TestSessionFunctions(t *testing.T) {
	s := &session{}
	env := &fqgw.Env{Session: s, Now: 1_000_000}
	for sql, want := range map[string]string{
		"current_user": "ann", "current_database()": "db", "pg_backend_pid()": "42", "current_schemas(true)": "{pg_catalog,public,fqgw}",
		"current_schema()": "public", "'\"My Table\"'::regclass::oid": "16400", "16400::regclass": `"My Table"`, "16401::regclass": "16401",
		"has_table_privilege('x', 'SELECT')": "t", "pg_table_is_visible(1)": "t", "now()": "1970-01-01 00:00:01+00",
	} {
		e := bound(t, sql)
		v, err := e.Eval(env, nil)
		if err != nil || Text(v, e.Type(), env) != want {
			t.Errorf("%s: %s %v, want %s", sql, Text(v, e.Type(), env), err, want)
		}
	}
	sync, err := Func("fqgw.sync", nil)
	if err != nil || !Volatile(sync) {
		t.Fatal(err)
	}
	if _, err := sync.Eval(env, nil); err != io.ErrUnexpectedEOF {
		t.Errorf("the session's error is lost: %v", err)
	}
	if _, err := sync.Eval(nil, nil); fqgw.AsError(err).Code != fqgw.CodeFeatureNotSupported {
		t.Errorf("without a session: %v", err)
	}
	for name, code := range map[string]fqgw.Code{"pg_ls_dir": "0A000", "no_such_thing": "42883"} {
		if _, err := Func(name, nil); fqgw.AsError(err).Code != code {
			t.Errorf("%s: %v", name, err)
		}
	}
}
