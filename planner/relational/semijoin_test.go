package relational

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// TestSemiJoinRandom compares semi and anti joins, by keys and without, on conditions
// that bounds decide and on others, with a nested loop; either side is the longer one.
func TestSemiJoinRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	for round := range 300 {
		names := randomTypes(rnd, 3)
		types := typed(names)
		ls, _ := randomTable(rnd, names, rnd.IntN(40))
		rs, _ := randomTable(rnd, names, rnd.IntN(40))
		switch round % 25 { // the right side streams, and is read while a row of the left one is not met
		case 0:
			ls, _ = randomTable(rnd, names, rnd.IntN(12))
			rs, _ = randomTable(rnd, names, turn+50)
		case 1:
			rs = nil
		}
		at := func(side, i int) fqgw.Expr { return col(3*side+i, types[i]) }
		comparison := func() fqgw.Expr {
			i, s := rnd.IntN(3), rnd.IntN(2)
			return op(t, []string{"<", "<=", ">", ">=", "<>"}[rnd.IntN(5)], at(s, i), at(1-s, i))
		}
		var conds []fqgw.Expr
		if rnd.IntN(5) > 0 {
			conds = append(conds, op(t, "=", at(0, 0), at(1, 0)))
		}
		for range rnd.IntN(3) {
			conds = append(conds, comparison())
		}
		switch rnd.IntN(4) {
		case 0: // of the left row alone
			conds = append(conds, op(t, "<", at(0, 1), &expr.Const{Val: firstOf(ls, 1), Typ: types[1]}))
		case 1:
			i := rnd.IntN(3)
			d, err := expr.IsDistinct(at(0, i), at(1, i), false)
			if err != nil {
				t.Fatal(err)
			}
			conds = append(conds, d)
		}
		for _, kind := range []plan.JoinKind{plan.Semi, plan.Anti} {
			l := newTestLeaf()
			j := &plan.Join{Kind: kind, Left: scanOf(l, "l", types, ls), Right: scanOf(l, "r", types, rs), Cond: expr.Conjunction(conds)}
			memory := fqgw.NewMemory("the test", "--memory", 0)
			rows, err := (&Runner{Leaf: l.run}).Run(&fqgw.Env{Memory: memory}, j)
			got := all(t, rows, err)
			sameRows(t, fmt.Sprintf("round %d, %s of %v on %v", round, Title(j), names, j.Cond), got, nestedLoop(t, j, ls, rs))
			if memory.Used() != 0 {
				t.Fatalf("%s leaves %d bytes", Title(j), memory.Used())
			}
		}
	}
}

// firstOf is a value of column i, NULL without rows.
func firstOf(rows [][]fqgw.Value, i int) fqgw.Value {
	if len(rows) == 0 {
		return fqgw.Null
	}
	return rows[0][i]
}

// TestSemiJoinFewKeys asks of many rows of few keys what a pair after the other would
// take minutes for.
func TestSemiJoinFewKeys(t *testing.T) {
	l := newTestLeaf()
	l.data["t"], l.data["u"] = nil, nil
	const n = 150_000
	for i := range n {
		l.data["t"] = append(l.data["t"], []fqgw.Value{fqgw.IntValue(int64(i)), fqgw.TextValue(fmt.Sprint(i % 2)), fqgw.FloatValue(float64(i % 100))})
		l.data["u"] = append(l.data["u"], []fqgw.Value{fqgw.IntValue(int64(i)), fqgw.TextValue(fmt.Sprint(i % 2))})
	}
	few := "(SELECT * FROM t WHERE a < 1000) t"
	for query, want := range map[string]string{
		"SELECT max(a), count(*) FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.b = t.b AND u.a > t.a)":              "149999|2",
		"SELECT count(*) FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.b = t.b AND t.a >= u.a + 1000)":              "1000",
		"SELECT count(*) FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.b = t.b AND u.b <> t.c::int::text)":              "147000",
		"SELECT count(*) FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a > t.a AND t.c < 50)":                           "75000",
		"SELECT count(*) FROM t WHERE NOT EXISTS (SELECT 1 FROM t u WHERE u.b = t.b AND u.c + t.c > 98 AND u.c < t.c)": "76500",
		"SELECT count(*) FROM " + few + " WHERE EXISTS (SELECT 1 FROM u WHERE u.b = t.b)":                              "1000",
		"SELECT count(*) FROM " + few + " WHERE EXISTS (SELECT 1 FROM u WHERE u.b = t.b AND u.a < t.a)":                "998",
		"SELECT count(*) FROM " + few + " WHERE EXISTS (SELECT 1 FROM u WHERE u.b = t.b AND u.a % 7 = t.a % 5)":        "1000",
	} {
		st, err := bindSQL(query)
		if err != nil {
			t.Fatal(query, err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		rows, err := (&Runner{Leaf: l.run}).Run(&fqgw.Env{Ctx: ctx}, st)
		if got := all(t, rows, err); len(got) != 1 || showRow(got[0]) != want {
			t.Errorf("%s: %v, want %s", query, got, want)
		}
		cancel()
	}
}

func showRow(row []fqgw.Value) (s string) {
	for i, v := range row {
		if i > 0 {
			s += "|"
		}
		s += fmt.Sprint(v.Int())
	}
	return s
}

// TestByKeys asks of all pairs of values, also of those that are equal and do not look
// it, whether a condition that was moved to the inner row says what it said of the
// pair; where equal values may differ none is moved.
func TestByKeys(t *testing.T) {
	for _, c := range []struct {
		outer, inner string
		moved        bool
	}{
		{"int4", "int4", true}, {"text", "text", true}, {"date", "date", true}, {"bool", "bool", true},
		{"int4", "int8", false}, {"int4", "numeric", false}, {"float8", "float8", false}, {"numeric", "numeric", false}, {"bpchar", "bpchar", false},
	} {
		types := typed([]string{c.outer, c.inner})
		values := func(name string, as fqgw.Type) (out []fqgw.Value) {
			for _, text := range domains[name] {
				v := fqgw.Null
				if text != `\N` {
					var err error
					if v, err = expr.Parse(text, as, nil); err != nil {
						t.Fatal(err)
					}
				}
				out = append(out, v)
			}
			return out
		}
		domain := c.inner
		if domain == "int8" {
			domain = "int4"
		}
		ls, rs := values(c.outer, types[0]), values(domain, types[1])
		const width = 1
		outer, inner, other := col(0, types[0]), col(1, types[1]), col(2, types[1])
		for _, name := range []string{"<", "<=", ">", ">=", "<>"} {
			on := []fqgw.Expr{op(t, "=", outer, inner), op(t, name, other, outer), op(t, name, outer, &expr.Const{Val: ls[1], Typ: types[0]})}
			rest, own := byKeys(on, width)
			if moved := len(own) == 2; moved != c.moved || len(rest)+len(own) != len(on) {
				t.Errorf("%s = %s AND %s: %v stay, %v move", c.outer, c.inner, name, rest, own)
			}
			for _, l := range ls {
				for _, r := range rs {
					for _, o := range rs {
						pair := []fqgw.Value{l, r, o}
						if whole, parts := trueOf(t, on, pair), trueOf(t, rest, pair) && trueOf(t, own, pair[width:]); whole != parts {
							t.Errorf("%v of %v: %v, in parts %v", on, pair, whole, parts)
						}
					}
				}
			}
		}
	}
}

func trueOf(t *testing.T, conds []fqgw.Expr, row []fqgw.Value) bool {
	ok, err := allTrue(&fqgw.Env{}, conds, row)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// TestBounded says which conditions bounds decide: not those whose order is not that
// of the values.
func TestBounded(t *testing.T) {
	for types, want := range map[[2]string]bool{
		{"int4", "int8"}: true, {"numeric", "numeric"}: true, {"text", "text"}: true, {"interval", "interval"}: true, {"float8", "float8"}: true,
		{"bpchar", "bpchar"}: false, {"timestamp", "timestamptz"}: false, {"jsonb", "jsonb"}: false, {"_int4", "_int4"}: false,
	} {
		names := typed(types[:])
		lt := op(t, "<", col(0, names[0]), col(1, names[1]))
		bound, over := bounded([]fqgw.Expr{lt}, 1)
		if (bound != nil) != want || want && len(over) != 1 {
			t.Errorf("%v: %v over %v", types, bound, over)
		}
		if two, _ := bounded([]fqgw.Expr{lt, lt}, 1); two != nil {
			t.Errorf("%v: bounds for two comparisons", types)
		}
	}
	if !slices.Equal(readsOf([]fqgw.Expr{op(t, "<", col(0, fqgw.Int8), col(3, fqgw.Int8))}, 2), []int{1}) {
		t.Error("other columns are read")
	}
}
