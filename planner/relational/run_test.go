package relational

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	gms "github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// rel is a leaf with the given rows.
func rel(l *testLeaf, name string, typ fqgw.Type, rows [][]fqgw.Value) plan.Node {
	l.data[name] = rows
	n := &plan.TableScan{Table: &fqgw.Table{Name: name}}
	for i := range rows[0] {
		n.Cols = append(n.Cols, plan.Column{Name: fmt.Sprint("c", i), Type: typ})
		n.Fields = append(n.Fields, i)
	}
	return n
}

func col(i int, t fqgw.Type) fqgw.Expr {
	return &expr.Column{Index: i, Typ: t, Name: fmt.Sprint("c", i)}
}

func op(t testing.TB, name string, l, r fqgw.Expr) fqgw.Expr {
	x, err := expr.Op(name, l, r)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func all(t testing.TB, rows fqgw.Rows, err error) [][]fqgw.Value {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out [][]fqgw.Value
	for {
		r, err := rows.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, slices.Clone(r))
	}
}

func compareRows(a, b []fqgw.Value) int {
	return fqgw.Compare(fqgw.RecordValue(nil, a), fqgw.RecordValue(nil, b))
}

// TestForeignExpression plants an expression of go-mysql-server's in a tree: the
// analyzer must refuse it.
func TestForeignExpression(t *testing.T) {
	leaf := &node{title: "leaf", layout: layout{1}, schema: layout{1}.schema([]plan.Column{{Name: "a", Type: fqgw.Int4}})}
	foreign := expression.NewEquals(expression.NewGetField(0, types.Int64, "a", true), expression.NewLiteral(int64(1), types.Int64))
	b := &builder{p: &program{}}
	ours := b.condition(&expr.Const{Val: fqgw.BoolValue(true), Typ: fqgw.Bool}, layout{1})
	for name, tree := range map[string]sql.Node{
		"filter":      gms.NewFilter(foreign, leaf),
		"below":       gms.NewFilter(ours, gms.NewFilter(foreign, leaf)),
		"projection":  gms.NewProject([]sql.Expression{foreign}, leaf),
		"join":        gms.NewJoin(leaf, leaf, gms.JoinTypeInner, foreign),
		"in our node": &node{title: "x", layout: layout{1}, children: []sql.Node{gms.NewLimit(expression.NewLiteral(int64(1), types.Int64), leaf)}},
		"hash lookup": gms.NewJoin(leaf, gms.NewHashLookup(leaf, foreign, foreign, gms.JoinTypeHash), gms.JoinTypeHash, ours),
	} {
		_, err := rules.Analyze(sql.NewContext(context.Background(), sql.WithSession(session)), tree, nil, &sql.QueryFlags{})
		var e *fqgw.Error
		if !errors.As(err, &e) || e.Code != fqgw.CodeInternal {
			t.Errorf("%s: %v", name, err)
		}
	}
	tree := gms.NewFilter(ours, gms.NewJoin(leaf, leaf, gms.JoinTypeInner, ours))
	if _, err := rules.Analyze(sql.NewContext(context.Background(), sql.WithSession(session)), tree, nil, &sql.QueryFlags{}); err != nil {
		t.Error("a tree of ours was refused:", err)
	}
	for _, b := range rules.Batches {
		for _, r := range b.Rules {
			if s := r.Id.String(); r.Id != onlyOursID && s != "validateResolved" {
				t.Error("a rule that is not on the list:", s)
			}
		}
	}
}

// TestJoinsRandom compares every kind of join with a nested loop written here,
// over few values with NULLs and duplicates.
func TestJoinsRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	typ := fqgw.Float8
	rows := func(n int) [][]fqgw.Value {
		var out [][]fqgw.Value
		for range n {
			row := make([]fqgw.Value, 2)
			for i := range row {
				if k := rnd.IntN(6); k > 0 {
					row[i] = fqgw.FloatValue([]float64{0, 0, negZero, 1, 2.5, nan}[k])
				}
			}
			out = append(out, row)
		}
		return out
	}
	for round := range 300 {
		l := newTestLeaf()
		ls, rs := rows(1+rnd.IntN(8)), rows(1+rnd.IntN(8))
		cond := op(t, "=", col(0, typ), col(2, typ))
		switch rnd.IntN(4) {
		case 0:
			cond = expr.Conjunction([]fqgw.Expr{cond, op(t, "=", col(3, typ), col(1, typ))})
		case 1:
			cond = expr.Conjunction([]fqgw.Expr{op(t, "<=", col(1, typ), col(3, typ)), cond})
		case 2:
			cond = op(t, "<", col(1, typ), col(3, typ))
		}
		for kind := plan.Inner; kind <= plan.Anti; kind++ {
			c := cond
			if kind == plan.Cross {
				c = nil
			}
			j := &plan.Join{Kind: kind, Left: rel(l, "l", typ, ls), Right: rel(l, "r", typ, rs), Cond: c}
			rows, err := (&Runner{Leaf: l.run}).Run(&fqgw.Env{}, j)
			got := all(t, rows, err)
			want := nestedLoop(t, j, ls, rs)
			slices.SortFunc(got, compareRows)
			slices.SortFunc(want, compareRows)
			if !slices.EqualFunc(got, want, func(a, b []fqgw.Value) bool { return compareRows(a, b) == 0 }) {
				t.Fatalf("round %d, %s on %v\nleft %v\nright %v\ngot  %v\nwant %v", round, Title(j), c, ls, rs, got, want)
			}
		}
	}
}

var negZero, nan = -1 / (1 / zeroFloat), zeroFloat / zeroFloat
var zeroFloat float64

func nestedLoop(t *testing.T, j *plan.Join, ls, rs [][]fqgw.Value) [][]fqgw.Value {
	var out [][]fqgw.Value
	hit := make([]bool, len(rs))
	for _, l := range ls {
		matched := false
		for i, r := range rs {
			row := append(slices.Clone(l), r...)
			if j.Cond != nil {
				v, err := j.Cond.Eval(nil, row)
				if err != nil {
					t.Fatal(err)
				}
				if !v.True() {
					continue
				}
			}
			matched, hit[i] = true, true
			if j.Kind != plan.Semi && j.Kind != plan.Anti {
				out = append(out, row)
			}
		}
		switch {
		case j.Kind == plan.Semi && matched, j.Kind == plan.Anti && !matched:
			out = append(out, l)
		case !matched && (j.Kind == plan.LeftOuter || j.Kind == plan.FullOuter):
			out = append(out, append(slices.Clone(l), make([]fqgw.Value, 2)...))
		}
	}
	if j.Kind == plan.RightOuter || j.Kind == plan.FullOuter {
		for i, r := range rs {
			if !hit[i] {
				out = append(out, append(make([]fqgw.Value, 2), r...))
			}
		}
	}
	return out
}

func numbers(n int) [][]fqgw.Value {
	out := make([][]fqgw.Value, n)
	for i := range out {
		out[i] = []fqgw.Value{fqgw.IntValue(int64(i)), fqgw.IntValue(int64(i % 100))}
	}
	return out
}

// TestBig joins and correlates thousands of rows with thousands: seconds would
// mean a nested loop.
func TestBig(t *testing.T) {
	l := newTestLeaf()
	l.data["t"], l.data["u"] = nil, nil
	for i := range 15_000 {
		l.data["t"] = append(l.data["t"], []fqgw.Value{fqgw.IntValue(int64(i)), fqgw.TextValue(fmt.Sprint(i % 100)), fqgw.FloatValue(float64(i))})
		l.data["u"] = append(l.data["u"], []fqgw.Value{fqgw.IntValue(int64(14_999 - i)), fqgw.TextValue(fmt.Sprint(i % 100))})
	}
	for query, want := range map[string]string{
		"SELECT count(*), sum(u.a) FROM t JOIN u ON t.a = u.a":                                                  "15000|112492500",
		"SELECT count(*) FROM t, u WHERE t.a = u.a AND t.b = u.b":                                               "0",
		"SELECT count(*) FROM t FULL JOIN u ON t.a = u.a + 1":                                                   "15001",
		"SELECT count(*) FROM t LEFT JOIN u ON t.a = u.a AND u.a < 100 WHERE u.a IS NULL":                       "14900",
		"SELECT count(*) FROM t RIGHT JOIN u ON t.a = u.a":                                                      "15000",
		"SELECT count(*) FROM t WHERE a IN (SELECT a FROM u WHERE a < 10)":                                      "10",
		"SELECT count(*) FROM t WHERE NOT (a IN (SELECT a FROM u WHERE a >= 10)) OR a = 20":                     "11",
		"SELECT count(*) FROM t WHERE a NOT IN (SELECT a FROM u)":                                               "0",
		"SELECT count(*) FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a)":                                 "15000",
		"SELECT count(*) FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.a = t.a + 1)":                         "1",
		"SELECT sum((SELECT max(u.a) FROM u WHERE u.a = t.a)) FROM t":                                           "112492500",
		"SELECT count(*) FROM t, LATERAL (SELECT u.b FROM u WHERE u.a = t.a) x":                                 "15000",
		"SELECT count(*) FROM t LEFT JOIN LATERAL (SELECT u.b FROM u WHERE u.a = t.a + 1) x ON true":            "15000",
		"SELECT count(*) FROM (SELECT sum(c) OVER (PARTITION BY b ORDER BY a) FROM t) s":                        "15000",
		"SELECT count(*) FROM (SELECT rank() OVER (ORDER BY b) FROM t) s":                                       "15000",
		"SELECT count(*) FROM (SELECT count(*) OVER (ORDER BY a RANGE 5 PRECEDING) FROM t ORDER BY c DESC) s":   "15000",
		"SELECT count(*) FROM t a, t b, u c, u d WHERE a.a = d.a AND b.a = c.a AND c.a = d.a":                   "15000",
		"SELECT count(*) FROM t WHERE c > (SELECT avg(c) FROM t)":                                               "7500",
		"WITH x AS (SELECT a FROM t) SELECT count(*) FROM x WHERE a = (SELECT max(a) FROM x) OR a IN (TABLE x)": "15000",
		"SELECT count(*) FROM (SELECT DISTINCT a FROM t UNION SELECT a FROM u EXCEPT SELECT 5) s":               "14999",
	} {
		clear(l.scans)
		start := time.Now()
		got, err := answer(l, query)
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s: %v, %v, want %s", query, got, err, want)
		}
		if testing.Verbose() {
			t.Logf("%6d ms %s", time.Since(start).Milliseconds(), query)
		}
		for name, n := range l.scans {
			if n > 4 {
				t.Errorf("%s scanned %s %d times", query, name, n)
			}
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	l := newTestLeaf()
	r := &Runner{Leaf: l.run, MemoryLimit: 1 << 20}
	big := rel(l, "big", fqgw.Int8, numbers(30_000))
	c := col(0, fqgw.Int8)
	for name, n := range map[string]plan.Node{
		"sort":     &plan.Sort{Input: big, Keys: []plan.SortKey{{Expr: c}}},
		"group":    &plan.Aggregate{Input: big, Groups: []fqgw.Expr{c}, Cols: []plan.Column{{Type: fqgw.Int8}}},
		"distinct": &plan.Distinct{Input: big},
		"join":     &plan.Join{Left: big, Right: big, Cond: op(t, "=", col(0, fqgw.Int8), col(2, fqgw.Int8))},
		"full":     &plan.Join{Kind: plan.FullOuter, Left: big, Right: big, Cond: op(t, "=", col(0, fqgw.Int8), col(2, fqgw.Int8))},
		"window":   &plan.Window{Input: big, Calls: []plan.WindowCall{{AggCall: plan.AggCall{Func: "row_number", Type: fqgw.Int8}}}, Cols: append(big.Columns(), plan.Column{Type: fqgw.Int8})},
		"array":    &plan.Aggregate{Input: big, Aggs: []plan.AggCall{{Func: "array_agg", Args: []fqgw.Expr{c}, Type: fqgw.Int8.Array()}}, Cols: []plan.Column{{Type: fqgw.Int8.Array()}}},
		"cte":      &plan.CTEScan{CTE: &plan.CTE{Plan: big}, Cols: big.Columns()},
	} {
		err := drain(r.Run(&fqgw.Env{}, n))
		var e *fqgw.Error
		if !errors.As(err, &e) || e.Code != fqgw.CodeOutOfMemory || e.Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	// An EXISTS over many rows takes one each time, not all.
	l.rows = 0
	l.data["t"], l.data["u"] = nil, nil
	for i := range 300_000 {
		l.data["t"] = append(l.data["t"], []fqgw.Value{fqgw.IntValue(int64(i)), fqgw.Null, fqgw.Null})
	}
	for range 50 {
		l.data["u"] = append(l.data["u"], []fqgw.Value{fqgw.IntValue(1), fqgw.Null})
	}
	if got, err := answer(l, "SELECT count(*) FROM u WHERE EXISTS (SELECT 1 FROM t) OR b IS NOT NULL"); err != nil || got[0] != "50" || l.rows > keptMax+200 {
		t.Error("exists:", got, err, l.rows, "rows read")
	}
	// What one run of a subquery keeps is given back before the next.
	sub := &plan.Sort{Input: &plan.Filter{Input: rel(l, "small", fqgw.Int8, numbers(1000)), Cond: op(t, ">", c, &expr.Column{Index: 0, Level: 1, Typ: fqgw.Int8, Name: "o"})}, Keys: []plan.SortKey{{Expr: c}}}
	n := &plan.Join{Kind: plan.Inner, Lateral: true, Left: rel(l, "few", fqgw.Int8, numbers(50)), Right: sub}
	if err := drain(r.Run(&fqgw.Env{}, n)); err != nil {
		t.Error("lateral:", err)
	}
}

func drain(rows fqgw.Rows, err error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		if _, err := rows.Next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// TestCancel ends statements that would run for minutes.
func TestCancel(t *testing.T) {
	l := newTestLeaf()
	big := rel(l, "big", fqgw.Int8, numbers(100_000))
	c := col(0, fqgw.Int8)
	never := op(t, "<", op(t, "+", col(0, fqgw.Int8), col(2, fqgw.Int8)), &expr.Const{Val: fqgw.IntValue(-1), Typ: fqgw.Int8})
	count := &plan.CTE{Name: "n", Recursive: true, All: true}
	count.Plan = rel(l, "one", fqgw.Int8, numbers(1))
	count.Step = &plan.Project{Input: &plan.WorkTable{CTE: count, Cols: count.Plan.Columns()}, Exprs: []fqgw.Expr{c, c}, Cols: count.Plan.Columns()}
	for name, n := range map[string]plan.Node{
		"nested loop": &plan.Join{Left: big, Right: big, Cond: never},
		"anti":        &plan.Join{Kind: plan.Anti, Left: big, Right: big, Cond: never},
		"full":        &plan.Join{Kind: plan.FullOuter, Left: big, Right: big, Cond: never},
		"cross":       &plan.Aggregate{Input: &plan.Join{Kind: plan.Cross, Left: big, Right: big}, Aggs: []plan.AggCall{{Func: "count", Star: true, Type: fqgw.Int8}}, Cols: []plan.Column{{Type: fqgw.Int8}}},
		"recursion":   &plan.CTEScan{CTE: count, Cols: count.Plan.Columns()},
		"frames": &plan.Window{Input: big, Calls: []plan.WindowCall{{AggCall: plan.AggCall{Func: "sum", Args: []fqgw.Expr{c}, Type: fqgw.Numeric},
			Frame: plan.Frame{Mode: 'w', Start: plan.CurrentRow, End: plan.UnboundedFollowing}}}, Cols: append(big.Columns(), plan.Column{Type: fqgw.Numeric})},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		start := time.Now()
		err := drain((&Runner{Leaf: l.run}).Run(&fqgw.Env{Ctx: ctx}, n))
		cancel()
		if fqgw.AsError(err).Code != fqgw.CodeQueryCanceled {
			t.Errorf("%s: %v", name, err)
		}
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("%s went on for %v", name, d)
		}
	}
}

// TestShared runs a CTE and the same subplan twice within a statement, and finds
// the table scanned no more than that takes.
func TestShared(t *testing.T) {
	l := newTestLeaf()
	if _, err := answer(l, "WITH x AS (SELECT a FROM t) SELECT (SELECT count(*) FROM x), a, (SELECT max(a) FROM x) FROM x"); err != nil || l.scans["t"] != 1 {
		t.Error(l.scans, err)
	}
	r := &Runner{Leaf: l.run}
	env, end := r.Begin(&fqgw.Env{}, nil)
	defer end()
	if again, _ := r.Begin(env, nil); again != env {
		t.Error("a begun Env was begun again")
	}
	clear(l.scans)
	cte := &plan.CTE{Name: "x", Plan: rel(l, "t", fqgw.Int8, numbers(3))}
	scan := &plan.CTEScan{CTE: cte, Cols: cte.Plan.Columns()}
	for range 2 {
		if err := drain(r.Run(env, scan)); err != nil {
			t.Fatal(err)
		}
	}
	if l.scans["t"] != 1 {
		t.Errorf("the common table expression ran %d times", l.scans["t"])
	}
}

func TestDescribe(t *testing.T) {
	n, err := bindSQL("SELECT d.title, count(*) FROM emp e, dept d, t WHERE e.dept = d.id AND d.id = t.a GROUP BY 1 ORDER BY 2 LIMIT 3")
	if err != nil {
		t.Fatal(err)
	}
	text := Describe(n)
	for _, want := range []string{"Limit", "Sort", "Hash Aggregate", "Inner Hash Join"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}
