package expr

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
)

var update = flag.Bool("update", false, "write the golden files anew")

// definitionNodes are expressions that together have every node of a definition.
var definitionNodes = []string{
	"id", "score", "\"Tags\"", "null", "'x'", "true", "5", "5000000000", "1.50", "'NaN'::float8", "'a'::bytea", "date '2013-03-01'", "time '09:05'",
	"timestamptz '2013-03-01 09:05Z'", "interval '1 mon 2 days 3 us'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "'{1,NULL,3}'::int[]", "'{{1},{2}}'::int[]", "'{\"a\": 1}'::jsonb",
	"null::numeric(5,2)", "id + 1", "- score", "lower(name)", "concat(name, id, ok)", "concat(variadic \"Tags\")", "format('%s', variadic \"Tags\")",
	"current_date", "now() - at", "name::varchar(3)", "score::int", "id::text", "\"Tags\"::int[]", "'now'::timestamptz", "ok and not ok or id is null", "id is not null",
	"ok is true", "ok is not true", "ok is false", "ok is not false", "ok is unknown", "ok is not unknown", "name is distinct from 'x'", "name is not distinct from 'x'",
	"case when ok then id end", "case id when 1 then 'a' when 2 then 'b' else 'c' end", "coalesce(score, 0)", "nullif(id, 0)", "greatest(id, 7)", "least(id, score)",
	"id in (1, 2, null)", "id not in (1, 2)", "id in (1,2,3,4,5,6,7,8,9,10)", "id = any('{1,2}')", "id <> all('{1,2}')", "array[id, 2]", "array[array[id], array[2]]",
	"\"Tags\"[1]", "\"Tags\"[1:2]", "\"Tags\"[:2]", "\"Tags\"[1:]", "row(id, name) = row(1, 'x')", "row(id, name) < row(1, 'x')", "row(id, name)",
}

// definitionTrees are those, and what only a binder makes.
func definitionTrees(t testing.TB) (names []string, trees []fqgw.Expr) {
	for _, sql := range definitionNodes {
		e, err := bindSQL(sql, people...)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		names, trees = append(names, sql), append(trees, e)
	}
	id := &Column{Index: 0, Typ: fqgw.Int8, Name: "id"}
	row := &RowExpr{Args: []fqgw.Expr{id, id}, Names: []string{"a", "b"}, Missing: true}
	return append(names, "a relation's row", "(row).b", "no tree"), append(trees, row, Field(row, 1, fqgw.Int8, "b"), nil)
}

// TestEncodeGolden: the bytes outlive the process. A change of the file is a new
// version of the format and needs a migration.
func TestEncodeGolden(t *testing.T) {
	const path = "testdata/encode.golden"
	var out strings.Builder
	names, trees := definitionTrees(t)
	for i, e := range trees {
		b, err := Encode(nil, e)
		if err != nil {
			t.Fatalf("%s: %v", names[i], err)
		}
		fmt.Fprintf(&out, "%s\n\t%s\n", names[i], hex.EncodeToString(b))
	}
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("the encoding of trees has changed; run with -update and look at the difference")
	}
}

// TestEncodeEveryNode: a kind of node that is added is encoded, or said to be none of a
// definition.
func TestEncodeEveryNode(t *testing.T) {
	seen := map[string]bool{"Param": true, "Subquery": true} // no definition has them
	_, trees := definitionTrees(t)
	for _, e := range trees {
		Walk(e, func(e fqgw.Expr) bool {
			seen[strings.TrimPrefix(fmt.Sprintf("%T", e), "*expr.")] = true
			return true
		})
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil && fn.Name.Name == "Eval" {
				n++
				if kind := fn.Recv.List[0].Type.(*ast.StarExpr).X.(*ast.Ident).Name; !seen[kind] {
					t.Errorf("no tree of the test has a %s", kind)
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d kinds of nodes found", n)
	}
}

// encodedTrees are many trees: those of the test, and the expressions that are
// compared with PostgreSQL.
func encodedTrees(t testing.TB) []fqgw.Expr {
	_, trees := definitionTrees(t)
	for _, file := range answersFiles {
		for _, l := range readLines(t, file) {
			if sql, _, _ := strings.Cut(l, "\t"); sql != "" && sql[0] != '#' {
				if e, err := bindSQL(sql); err == nil {
					trees = append(trees, e)
				}
			}
		}
	}
	return trees
}

// TestEncode: what is encoded is decoded as the same tree, which prints and
// evaluates as the first; trees that differ have different bytes.
func TestEncode(t *testing.T) {
	env := answersEnv(t)
	row := []value{fqgw.IntValue(7), fqgw.TextValue("Xy"), fqgw.FloatValue(1.5), fqgw.TimestampValue(1362128700_000000), fqgw.ArrayOf(fqgw.Text, fqgw.TextValue("1"), fqgw.TextValue("2")), fqgw.BoolValue(true)}
	printed, trees := map[string]string{}, encodedTrees(t)
	for _, e := range trees {
		b, err := Encode([]byte{9}, e)
		if err != nil || b[0] != 9 {
			t.Fatalf("%s: %x, %v", e, b, err)
		}
		b = b[1:]
		back, err := Decode(b, people)
		if err != nil {
			t.Errorf("%s: %v", e, err)
			continue
		}
		if again, err := Encode(nil, back); err != nil || !bytes.Equal(again, b) || !Equal(e, back) {
			t.Errorf("%s is encoded as %x, then as %x (%v)", e, b, again, err)
		}
		if e == nil {
			continue
		}
		if back.String() != e.String() || back.Type() != e.Type() {
			t.Errorf("%s is decoded as %s", e, back)
		}
		if before, ok := printed[string(b)]; ok && before != e.String() {
			t.Errorf("%s and %s are both %x", e, before, b)
		}
		printed[string(b)] = e.String()
		if Volatile(e) {
			continue
		}
		v, err := e.Eval(env, row)
		w, err2 := back.Eval(env, row)
		if fmt.Sprint(err) != fmt.Sprint(err2) || !bytes.Equal(fqgw.AppendPacked(nil, v), fqgw.AppendPacked(nil, w)) {
			t.Errorf("%s: %v (%v), decoded %v (%v)", e, v, err, w, err2)
		}
	}
	if len(printed) < 4000 {
		t.Errorf("only %d trees", len(printed))
	}
}

// renamed is a tree whose columns print otherwise.
func renamed(e fqgw.Expr) fqgw.Expr {
	return Rewrite(e, func(e fqgw.Expr) fqgw.Expr {
		if c, ok := e.(*Column); ok {
			n := *c
			n.Name = "other." + c.Name
			return &n
		}
		return e
	})
}

// TestEncodeTells: every thing that makes a tree another one makes other bytes,
// and how it prints does not.
func TestEncodeTells(t *testing.T) {
	id, score, ok := &Column{Index: 0, Typ: fqgw.Int8, Name: "id"}, &Column{Index: 2, Typ: fqgw.Float8, Name: "score"}, &Column{Index: 5, Typ: fqgw.Bool, Name: "ok"}
	plus := func(l, r fqgw.Expr) *Call { return must(Op("+", l, r)).(*Call) }
	text := fqgw.TextValue
	different := [][]fqgw.Expr{
		{id, &Column{Index: 1, Typ: fqgw.Int8, Name: "id"}, &Column{Index: 0, Typ: fqgw.Int4, Name: "id"}, &Column{Index: 0, Typ: fqgw.NumericOf(5, 2), Name: "id"}, &Column{Index: 0, Typ: fqgw.NumericOf(5, 3), Name: "id"}},
		{&Const{Val: text("1"), Typ: fqgw.Text}, &Const{Val: text("1"), Typ: fqgw.Varchar}, &Const{Val: text("1"), Typ: fqgw.Type{OID: fqgw.Varchar.OID, Mod: 5}}, &Const{Val: text("2"), Typ: fqgw.Text}, &Const{Typ: fqgw.Text}, &Const{Val: fqgw.IntValue(1), Typ: fqgw.Int4}, &Const{Val: fqgw.IntValue(1), Typ: fqgw.Int8}},
		{&Const{Val: must(bindSQL("1.5")).(*Const).Val, Typ: fqgw.Numeric}, &Const{Val: must(bindSQL("1.50")).(*Const).Val, Typ: fqgw.Numeric}}, // they print otherwise
		{&Const{Val: fqgw.FloatValue(0), Typ: fqgw.Float8}, must(bindSQL("'-0'::float8"))},
		{plus(id, id), plus(score, score), plus(id, plus(id, id)), plus(plus(id, id), id), must(Op("-", id, id)), must(Op("-", nil, id)), must(Op("*", id, id))},
		{must(Cast(id, fqgw.Int4, Explicit)), must(Cast(id, fqgw.Int2, Explicit)), must(Cast(id, fqgw.NumericOf(5, 2), Explicit)), must(Cast(id, fqgw.NumericOf(5, 2), Assignment)), must(Cast(id, fqgw.Numeric, Explicit))},
		{must(And(ok, ok)), must(Or(ok, ok)), must(And(ok, ok, ok)), must(Not(ok)), must(BoolTest(ok, IsTrue)), must(BoolTest(ok, IsFalse)), must(IsNull(ok, false)), must(IsNull(ok, true))},
		{must(InList(id, []fqgw.Expr{id, id}, false)), must(InList(id, []fqgw.Expr{id, id}, true)), must(InList(id, []fqgw.Expr{id, id, id}, true)), must(InList(id, []fqgw.Expr{score, id}, false))},
		{must(Greatest([]fqgw.Expr{id, id})), must(Least([]fqgw.Expr{id, id})), must(Coalesce([]fqgw.Expr{id, id}))},
		{must(Case(nil, []When{{ok, id}, {ok, id}}, nil)), must(Case(nil, []When{{ok, id}}, nil)), must(Case(ok, []When{{ok, id}}, nil)), must(Case(nil, []When{{ok, id}}, id))},
		{must(RowCompare("<", []fqgw.Expr{id}, []fqgw.Expr{id})), must(RowCompare("<=", []fqgw.Expr{id}, []fqgw.Expr{id})), must(RowCompare("=", []fqgw.Expr{id}, []fqgw.Expr{id})), must(RowCompare("=", []fqgw.Expr{id}, []fqgw.Expr{score}))},
		{must(Func("concat", []fqgw.Expr{must(Array([]fqgw.Expr{id, id}))})), must(FuncVariadic("concat", []fqgw.Expr{must(Array([]fqgw.Expr{id, id}))})), must(Func("concat", []fqgw.Expr{id, id}))},
	}
	for _, group := range different {
		for i, a := range group {
			if !Equal(a, renamed(a)) {
				t.Errorf("%s and %s are one tree", a, renamed(a))
			}
			for _, b := range group[:i] {
				if Equal(a, b) {
					t.Errorf("%s (%s) and %s (%s) have the same bytes", a, a.Type(), b, b.Type())
				}
			}
		}
	}
}

// TestOverloadsAreNamed: a name and the declared types say which overload it is.
func TestOverloadsAreNamed(t *testing.T) {
	for _, table := range []map[string][]*overload{functions, operators, prefixes} {
		for name, list := range table {
			for i, o := range list {
				if slices.ContainsFunc(list[:i], func(p *overload) bool { return slices.Equal(p.args, o.args) && p.variadic == o.variadic }) {
					t.Errorf("%s(%s) is there twice", name, typeNames(o.args))
				}
			}
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, e := range []fqgw.Expr{&Param{Index: 1, Typ: fqgw.Int4}, &Column{Level: 1, Typ: fqgw.Int4}, &Subquery{}, must(Not(&Param{Index: 1, Typ: fqgw.Bool}))} {
		if _, err := Encode(nil, e); fqgw.AsError(err).Code != fqgw.CodeInternal {
			t.Errorf("%s: %v", e, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	b, err := Encode(nil, bound(t, "lower(name) = 'x' and id > 5"))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][]byte{"empty": nil, "another version": append([]byte{2}, b[1:]...), "a byte behind": append(bytes.Clone(b), 0),
		"a function that is not there": bytes.Replace(b, []byte("lower"), []byte("lowes"), 1), "a node that is not there": {1, 'z'},
		"deep": append(append([]byte{1}, bytes.Repeat([]byte{tagNot}, 1<<20)...), tagNone)}
	for i := range b {
		cases[fmt.Sprint("cut at ", i)] = b[:i]
	}
	for what, b := range cases {
		if _, err := Decode(b, people); fqgw.AsError(err).Code != fqgw.CodeDataCorrupted {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, columns := range [][]fqgw.Column{people[:1], {people[0], {Name: "name", Type: fqgw.Int4}}} {
		if _, err := Decode(b, columns); fqgw.AsError(err).Code != fqgw.CodeDataCorrupted {
			t.Errorf("over %v: %v", columns, err)
		}
	}
}

// FuzzDecode: whatever is decoded is encoded as the same bytes.
func FuzzDecode(f *testing.F) {
	for _, e := range encodedTrees(f)[:200] {
		b, err := Encode(nil, e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := Decode(b, people)
		if err != nil {
			return
		}
		if again, err := Encode(nil, e); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x is decoded as %v, which is %x (%v)", b, e, again, err)
		}
	})
}

// TestKey: trees of a query are told apart by what they are, not by how they print.
func TestKey(t *testing.T) {
	column := func(level, index int, typ fqgw.Type, name string) fqgw.Expr {
		return &Column{Level: level, Index: index, Typ: typ, Name: name}
	}
	query := func(kind SubqueryKind, op, sql string, left ...fqgw.Expr) fqgw.Expr {
		return &Subquery{Kind: kind, Operator: op, SQL: sql, Left: left}
	}
	names, trees := definitionTrees(t)
	trees = append(trees, column(0, 1, fqgw.Int8, "id"), column(1, 0, fqgw.Int8, "id"), column(0, 0, fqgw.Int4, "id"),
		&Param{Index: 1, Typ: fqgw.Int8}, &Param{Index: 2, Typ: fqgw.Int8}, &Param{Index: 1, Typ: fqgw.Text},
		query(ScalarSubquery, "", "SELECT 1"), query(ScalarSubquery, "", "SELECT 2"), query(ExistsSubquery, "", "SELECT 1"),
		query(AnySubquery, "=", "SELECT 1", column(0, 0, fqgw.Int8, "id")), query(AnySubquery, "=", "SELECT 1", column(0, 1, fqgw.Int8, "id")))
	for i, a := range trees {
		for j, b := range trees {
			if (i == j) != Equal(a, b) {
				t.Errorf("trees %d and %d, of which %d are of definitions: %v, %v", i, j, len(names), a, b)
			}
		}
	}
	if !Equal(column(1, 2, fqgw.Text, "a.b"), column(1, 2, fqgw.Text, "c")) {
		t.Error("one column under two names is not equal to itself")
	}
}
