package relational

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	gms "github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// BenchmarkEngine runs go-mysql-server's own operators over our rows, keys and
// comparisons, beside ours: the figures of the table in docs/decisions.md. To be
// run again with another version of it.
func BenchmarkEngine(b *testing.B) {
	leaf := benchLeaf()
	scan := func(table string) *node {
		rows := leaf.data[table]
		l := layout{len(rows[0])}
		cols := make([]plan.Column, l[0])
		// Its operators keep the rows that they are given: each is a copy.
		return &node{title: table, layout: l, schema: l.schema(cols), open: func(*sql.Context, *instance, *node, sql.Row) (sql.RowIter, error) {
			return &freshRows{rows: rows}, nil
		}}
	}
	ints := func(column int) sql.Expression {
		return &keyExpr{leaf: leafExpr("key"), column: column, typ: fqgw.Int8}
	}
	sorted := func(table string, column int) sql.Node {
		return gms.NewSort(sql.SortFields{{Column: &keyExpr{leaf: leafExpr("key"), column: column}}}, scan(table))
	}
	on := func(l, r int) sql.Expression { return &equalKeys{leaf: leafExpr("="), l: l, r: r} }
	byV := sql.SortFields{{Column: &keyExpr{leaf: leafExpr("v"), column: 2}}}
	for _, c := range []struct {
		name, ours string
		its        func() sql.Node
	}{
		{"sort", "SELECT * FROM big ORDER BY v", func() sql.Node { return gms.NewSort(byV, scan("big")) }},
		{"top-10", "SELECT * FROM big ORDER BY v LIMIT 10", func() sql.Node { return gms.NewTopN(byV, literal(10), scan("big")) }},
		{"top-10000", "SELECT * FROM big ORDER BY v LIMIT 10000", func() sql.Node { return gms.NewTopN(byV, literal(10000), scan("big")) }},
		{"distinct", "SELECT DISTINCT * FROM big", func() sql.Node { return gms.NewDistinct(scan("big")) }},
		{"union", "SELECT * FROM big UNION SELECT * FROM big", func() sql.Node {
			return gms.NewSetOp(gms.UnionType, scan("big"), scan("big"), true, nil, nil, nil)
		}},
		{"intersect", "SELECT * FROM big INTERSECT ALL SELECT * FROM big", func() sql.Node {
			return gms.NewSetOp(gms.IntersectType, scan("big"), scan("big"), false, nil, nil, nil)
		}},
		{"except", "SELECT * FROM big EXCEPT SELECT * FROM big", func() sql.Node {
			return gms.NewSetOp(gms.ExceptType, scan("big"), scan("big"), true, nil, nil, nil)
		}},
		{"join-hash", "SELECT * FROM big b JOIN small s ON s.k = b.k", func() sql.Node {
			table := gms.NewHashLookup(gms.NewCachedResults(scan("small")), ints(0), ints(1), gms.JoinTypeHash)
			return gms.NewJoin(scan("big"), table, gms.JoinTypeHash, on(1, 0))
		}},
		{"join-left-hash", "SELECT * FROM big b LEFT JOIN small s ON s.k = b.id", func() sql.Node {
			table := gms.NewHashLookup(gms.NewCachedResults(scan("small")), ints(0), ints(0), gms.JoinTypeLeftOuterHash)
			return gms.NewJoin(scan("big"), table, gms.JoinTypeLeftOuterHash, on(0, 0))
		}},
		{"join-merge", "SELECT * FROM big b JOIN small s ON s.k = b.k", func() sql.Node {
			return gms.NewJoin(sorted("big", 1), sorted("small", 0), gms.JoinTypeMerge, on(1, 0))
		}},
		{"join-loop", "SELECT * FROM small s JOIN tiny t ON s.g < t.g", func() sql.Node {
			return gms.NewJoin(scan("small"), gms.NewCachedResults(scan("tiny")), gms.JoinTypeInner, &lessKeys{leaf: leafExpr("<"), l: 2, r: 0})
		}},
		{"kept", "WITH x AS MATERIALIZED (SELECT * FROM big) SELECT * FROM x UNION ALL SELECT * FROM x", func() sql.Node {
			x := gms.NewCachedResults(scan("big"))
			return gms.NewSetOp(gms.UnionType, x, x, false, nil, nil, nil)
		}},
		{"having", "SELECT * FROM big WHERE k < 5000", func() sql.Node {
			return gms.NewHaving(&below{leaf: leafExpr("<"), column: 1, than: 5000}, scan("big"))
		}},
	} {
		b.Run(c.name+"/its", func(b *testing.B) {
			measured(b, func(context.Context) error {
				in := &instance{program: &program{}, env: fqgw.Env{Ctx: context.Background()}}
				ctx := sql.NewContext(&within{context.Background(), in}, sql.WithSession(session))
				iter, err := executor.Build(ctx, c.its(), nil)
				if err != nil {
					return err
				}
				defer iter.Close(ctx)
				for {
					if _, err := iter.Next(ctx); err == io.EOF {
						return nil
					} else if err != nil {
						return err
					}
				}
			})
		})
		b.Run(c.name+"/ours", func(b *testing.B) {
			n, err := bindBench(c.ours)
			if err != nil {
				b.Fatal(err)
			}
			measured(b, func(ctx context.Context) error {
				return drain((&Runner{Leaf: leaf.run}).Run(&fqgw.Env{Ctx: ctx}, n))
			})
		})
	}
}

func measured(b *testing.B, run func(ctx context.Context) error) {
	b.ReportAllocs()
	cpu := cpuTime()
	for range b.N {
		if err := run(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/1e3/float64(b.N), "cpu-ms/op")
}

// freshRows gives each row as an element of its own, which prints its key.
type freshRows struct{ rows [][]fqgw.Value }

func (f *freshRows) Next(*sql.Context) (sql.Row, error) {
	if len(f.rows) == 0 {
		return nil, io.EOF
	}
	r := &printed{tuple{append([]fqgw.Value(nil), f.rows[0]...)}}
	f.rows = f.rows[1:]
	return sql.Row{r}, nil
}

func (f *freshRows) Close(*sql.Context) error { return nil }

// printed is a row that its hash, which prints values, sees as the row's key.
type printed struct{ tuple }

func (p *printed) Format(s fmt.State, _ rune) {
	var buf [128]byte
	key := buf[:0]
	for _, v := range p.vals {
		key = appendKey(key, v, fqgw.Text)
	}
	_, _ = s.Write(key)
}

func leafExpr(name string) leaf { return leaf{name} }

func literal(n int64) sql.Expression { return &number{leaf: leafExpr("n"), n: n} }

type number struct {
	leaf
	n int64
}

func (e *number) Eval(*sql.Context, sql.Row) (any, error) { return e.n, nil }
func (e *number) WithChildren(...sql.Expression) (sql.Expression, error) {
	return e, nil
}

// keyExpr is one column of the first element: a value that compares as ours do.
type keyExpr struct {
	leaf
	column int
	typ    fqgw.Type
}

func (e *keyExpr) Eval(_ *sql.Context, row sql.Row) (any, error) {
	v := &row[0].(*printed).vals[e.column]
	if e.typ.OID != 0 { // a key to be looked up
		return v.Int(), nil
	}
	return v, nil
}
func (e *keyExpr) WithChildren(...sql.Expression) (sql.Expression, error) { return e, nil }
func (e *keyExpr) Type() sql.Type                                         { return valueType{} }

// valueType compares values by our order.
type valueType struct{ rowType }

func (valueType) Compare(_ context.Context, a, b any) (int, error) {
	return fqgw.Compare(*a.(*fqgw.Value), *b.(*fqgw.Value)), nil
}
func (valueType) Convert(_ context.Context, v any) (any, sql.ConvertInRange, error) {
	return v, sql.InRange, nil
}

// equalKeys compares a column of the left element with one of the right.
type equalKeys struct {
	leaf
	l, r int
}

func sidesOf(row sql.Row, l, r int) (fqgw.Value, fqgw.Value) {
	return row[len(row)-2].(*printed).vals[l], row[len(row)-1].(*printed).vals[r]
}

func (e *equalKeys) Compare(_ *sql.Context, row sql.Row) (int, error) {
	l, r := sidesOf(row, e.l, e.r)
	return fqgw.Compare(l, r), nil
}
func (e *equalKeys) Eval(_ *sql.Context, row sql.Row) (any, error) {
	l, r := sidesOf(row, e.l, e.r)
	return fqgw.Compare(l, r) == 0, nil
}
func (e *equalKeys) Left() sql.Expression  { return literal(0) }
func (e *equalKeys) Right() sql.Expression { return literal(0) }
func (e *equalKeys) WithChildren(...sql.Expression) (sql.Expression, error) {
	return e, nil
}

type lessKeys equalKeys

func (e *lessKeys) Eval(_ *sql.Context, row sql.Row) (any, error) {
	l, r := sidesOf(row, e.l, e.r)
	return fqgw.Compare(l, r) < 0, nil
}
func (e *lessKeys) WithChildren(...sql.Expression) (sql.Expression, error) { return e, nil }

type below struct {
	leaf
	column int
	than   int64
}

func (e *below) Eval(_ *sql.Context, row sql.Row) (any, error) {
	return row[0].(*printed).vals[e.column].Int() < e.than, nil
}
func (e *below) WithChildren(...sql.Expression) (sql.Expression, error) { return e, nil }

var _ expression.Comparer = (*equalKeys)(nil)

// TestEngineRows pins where go-mysql-server's own operators give other rows than
// PostgreSQL: a reason of docs/decisions.md that is gone is looked at again.
func TestEngineRows(t *testing.T) {
	in := &instance{program: &program{}, env: fqgw.Env{Ctx: context.Background()}}
	ctx := sql.NewContext(&within{context.Background(), in}, sql.WithSession(session))
	scan := func(rows *[][]fqgw.Value) *node {
		return &node{title: "scan", layout: layout{1}, schema: layout{1}.schema(make([]plan.Column, 1)),
			open: func(*sql.Context, *instance, *node, sql.Row) (sql.RowIter, error) {
				return &freshRows{rows: *rows}, nil
			}}
	}
	count := func(n sql.Node) (rows int) {
		iter, err := executor.Build(ctx, n, nil)
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := iter.Next(ctx); err == io.EOF {
				return rows
			} else if err != nil {
				t.Fatal(err)
			}
			rows++
		}
	}
	one := [][]fqgw.Value{{fqgw.IntValue(1)}}
	// FULL JOIN … ON true of one row with one is one row; when the right side ends, the
	// condition is asked of an empty row, which is given too.
	if n := count(gms.NewJoin(scan(&one), scan(&one), gms.JoinTypeFullOuter, &condition{leaf: leafExpr("true")})); n == 1 {
		t.Error("its full join gives PostgreSQL's rows")
	}
	// A plan that is kept reads in its second run the rows of its first.
	right := [][]fqgw.Value{{fqgw.IntValue(1)}}
	key := &keyExpr{leaf: leafExpr("key"), typ: fqgw.Int8}
	table := gms.NewHashLookup(gms.NewCachedResults(scan(&right)), key, key, gms.JoinTypeHash)
	join := gms.NewJoin(scan(&one), table, gms.JoinTypeHash, &equalKeys{leaf: leafExpr("=")})
	first := count(join)
	right = nil
	if again := count(join); first != 1 || again == 0 {
		t.Error("its hash join does not keep rows in the plan:", first, again)
	}
}

// TestAnalysedOnce counts analyses: one for the plan and one for each of its subqueries
// and lateral sides, when they are run for the first time, and none in later runs.
func TestAnalysedOnce(t *testing.T) {
	analyses := 0
	batch := rules.Batches[0]
	defer func(rules []analyzer.Rule) { batch.Rules = rules }(batch.Rules)
	batch.Rules = append(batch.Rules[:len(batch.Rules):len(batch.Rules)], analyzer.Rule{Id: onlyOursID + 1,
		Apply: func(_ *sql.Context, _ *analyzer.Analyzer, n sql.Node, _ *gms.Scope, _ analyzer.RuleSelector, _ *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
			analyses++
			return n, transform.SameTree, nil
		}})
	n, err := bindSQL("SELECT e.name, (SELECT max(b.pay) FROM emp b WHERE b.boss = e.id), x.title FROM emp e, " +
		"LATERAL (SELECT d.title FROM dept d WHERE d.id = e.dept) x ORDER BY 1 LIMIT 3")
	if err != nil {
		t.Fatal(err)
	}
	var programs Programs
	for run := range 3 {
		if rows, err := answerOf(newTestLeaf(), n, &programs); err != nil || len(rows) != 3 {
			t.Fatal(rows, err)
		}
		if analyses != 3 {
			t.Errorf("%d analyses after run %d", analyses, run+1)
		}
	}
}
