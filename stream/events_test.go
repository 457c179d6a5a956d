package stream

import (
	"fmt"
	"math/rand/v2"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// column is a column of the tests' source.
func column(i int, t fqgw.Type) fqgw.Expr {
	return &expr.Column{Index: i, Typ: t, Name: []string{"ts", "k", "v", "n"}[i]}
}

func op(left fqgw.Expr, name string, right fqgw.Expr) fqgw.Expr {
	e, err := expr.Op(name, left, right)
	if err != nil {
		panic(err)
	}
	return e
}

func number(n int64) fqgw.Expr { return &expr.Const{Val: fqgw.IntValue(n), Typ: fqgw.Int8} }

// above is n > least; it raises on 13.
func above(n fqgw.Expr, least int64) fqgw.Expr {
	return &expr.Logic{Args: []fqgw.Expr{op(op(number(10), "/", op(n, "-", number(13))), "<", number(11)), op(n, ">", number(least))}}
}

const (
	sec = int64(1_000_000)
	t0  = 1_700_000_000 * sec
)

// testSource: ts, k (NULL: no entity), v, n >= 0 and not NULL.
func testSource() *fqgw.Source {
	return &fqgw.Source{Name: "s", Connector: "kafka", Topic: "t", Format: "json", History: "lake.s", MaxFuture: 300 * sec, TimeUnit: 1, KeyColumn: 1,
		Columns: []fqgw.Column{{Name: "ts", Type: fqgw.Timestamptz}, {Name: "k", Type: fqgw.Text}, {Name: "v", Type: fqgw.Float8}, {Name: "n", Type: fqgw.Int8, NotNull: true}},
		Checks:  []fqgw.Check{{Name: "s_n_check", Expr: above(column(3, fqgw.Int8), -1), SQL: "n > -1"}}}
}

func testViews(s *fqgw.Source) []*fqgw.FeatureView {
	k, v, n := column(1, fqgw.Text), column(2, fqgw.Float8), column(3, fqgw.Int8)
	key := []fqgw.KeyColumn{{Name: "k", Column: 1, Type: fqgw.Text}}
	return []*fqgw.FeatureView{
		{Name: "windows", State: 1, Source: s, Keys: key, Windows: []fqgw.Window{{Name: "w", Length: 60 * sec, Hop: sec}, {Name: "l", Length: 3600 * sec, Hop: 60 * sec}},
			Aggregates: []fqgw.Aggregate{
				{Func: "count", Star: true, Window: 0, Type: fqgw.Int8},
				{Func: "sum", Args: []fqgw.Expr{v}, Window: 0, Type: fqgw.Float8, Filter: above(n, 20)},
				{Func: "max", Args: []fqgw.Expr{n}, Window: 1, Type: fqgw.Int8},
				{Func: "last_value", Args: []fqgw.Expr{n}, Window: 1, Type: fqgw.Int8},
			}},
		{Name: "latest", State: 2, Source: s, Keys: key, Latest: true, MaxAge: 1800 * sec, Row: []fqgw.Expr{v, n}},
		{Name: "by_n", State: 3, Source: s, Keys: []fqgw.KeyColumn{{Name: "n", Column: 3, Type: fqgw.Int8}}, Where: above(n, 5),
			Windows: []fqgw.Window{{Name: "w", Length: 600 * sec, Hop: 10 * sec}}, Aggregates: []fqgw.Aggregate{{Func: "avg", Args: []fqgw.Expr{v}, Type: fqgw.Float8}}},
		{Name: "all", State: 4, Source: s, Windows: []fqgw.Window{{Name: "w", Length: 600 * sec, Hop: 10 * sec}},
			Aggregates: []fqgw.Aggregate{{Func: "first_value", Args: []fqgw.Expr{k}, Type: fqgw.Text}, {Func: "sum", Args: []fqgw.Expr{v}, Type: fqgw.Float8}}},
	}
}

// anyRecord is a record as of a clock: in time, late, early, the one before once
// more, at an equal time, without a key, or against the gate.
func anyRecord(r *rand.Rand, now int64, last []byte) (rec fqgw.LogRecord) {
	rec.Timestamp = fqgw.Floor(now-r.Int64N(3)*sec, 1000)
	if r.IntN(150) == 0 {
		rec.Timestamp += r.Int64N(60) * sec // ahead of the clock: its partition stands for a while
	}
	at := rec.Timestamp - r.Int64N(5)*sec
	switch r.IntN(12) {
	case 0:
		at -= r.Int64N(7200 * sec) // late, perhaps too late for any window
	case 1:
		at = rec.Timestamp + r.Int64N(300*sec) // early
	case 2:
		rec.Value = last
		return rec
	case 3:
		at = fqgw.Floor(at, 10*sec) // on an edge, equal to others
	}
	k := fmt.Sprintf(`"k%d"`, r.IntN(9))
	n := fmt.Sprint(r.IntN(40))
	switch r.IntN(20) {
	case 0:
		k = "null"
	case 1:
		n = "-1"
	case 2:
		n = "null"
	case 3:
		n = `"x"`
	case 4:
		at = rec.Timestamp + 301*sec
	case 5:
		rec.Value = []byte(`{"ts":`)
		return rec
	}
	rec.Value = fmt.Appendf(nil, `{"ts":%d,"k":%s,"v":%g,"n":%s}`, at, k, r.NormFloat64()*1e3, n)
	return rec
}
