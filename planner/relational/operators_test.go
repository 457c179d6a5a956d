package relational

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/plan"
)

// domains are the values of the random tables, in text form: few, so that they
// meet, with those that are equal and do not look it.
var domains = map[string][]string{
	"float8":  {`\N`, "0", "-0", "1.5", "NaN", "Infinity", "-Infinity", "-2"},
	"numeric": {`\N`, "1", "1.0", "1.00", "2", "-1.50", "-1.5", "NaN", "0", "0.00"},
	"text":    {`\N`, "a", "a ", "a  ", "", "b", "A", "abcdefgh", "abcdefghi"},
	"bpchar":  {`\N`, "a", "a ", "a  ", "b", "b "},
	"int4":    {`\N`, "0", "1", "2", "3", "-1"},
	"date":    {`\N`, "2013-01-01", "2013-01-02", "infinity", "-infinity"},
	"bool":    {`\N`, "t", "f"},
}

// randomTable is the rows of a table whose columns have the types.
func randomTable(rnd *rand.Rand, types []string, n int) ([][]fqgw.Value, [][]string) {
	rows, texts := make([][]fqgw.Value, n), make([][]string, n)
	for i := range rows {
		for _, name := range types {
			text := domains[name][rnd.IntN(len(domains[name]))]
			t, _ := fqgw.TypeByName(name)
			v := fqgw.Null
			if text != `\N` {
				var err error
				if v, err = expr.Parse(text, t, nil); err != nil {
					panic(err)
				}
			}
			rows[i], texts[i] = append(rows[i], v), append(texts[i], text)
		}
	}
	return rows, texts
}

func randomTypes(rnd *rand.Rand, n int) []string {
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range domains {
			if !yield(name) {
				return
			}
		}
	})
	out := make([]string, n)
	for i := range out {
		out[i] = names[rnd.IntN(len(names))]
	}
	return out
}

func typed(names []string) []fqgw.Type {
	var out []fqgw.Type
	for _, n := range names {
		t, _ := fqgw.TypeByName(n)
		out = append(out, t)
	}
	return out
}

// scanOf is a leaf with the given rows, each column of its type.
func scanOf(l *testLeaf, name string, types []fqgw.Type, rows [][]fqgw.Value) plan.Node {
	l.data[name] = rows
	n := &plan.TableScan{Table: &fqgw.Table{Name: name}}
	for i, t := range types {
		n.Cols, n.Fields = append(n.Cols, plan.Column{Name: fmt.Sprint("c", i), Type: t}), append(n.Fields, i)
	}
	return n
}

// TestInnerJoinRandom joins up to five relations on random conditions and compares
// with the filtered product.
func TestInnerJoinRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for round := range 400 {
		l := newTestLeaf()
		names := randomTypes(rnd, 2) // every relation has the same, so that any two columns of a place compare
		types := typed(names)
		var tree plan.Node
		product := [][]fqgw.Value{{}}
		n := 2 + rnd.IntN(4)
		for i := range n {
			rows, _ := randomTable(rnd, names, rnd.IntN(6))
			rel := scanOf(l, fmt.Sprint("r", i), types, rows)
			var next [][]fqgw.Value
			for _, p := range product {
				for _, r := range rows {
					next = append(next, append(slices.Clone(p), r...))
				}
			}
			if product = next; tree == nil {
				tree = rel
				continue
			}
			j := &plan.Join{Kind: plan.Cross, Left: tree, Right: rel}
			if rnd.IntN(4) > 0 { // the new relation with one before it, or two before it
				j.Kind = plan.Inner
				var conds []fqgw.Expr
				for range 1 + rnd.IntN(2) {
					c := rnd.IntN(2)
					a, b := 2*rnd.IntN(i)+c, 2*i+c
					if rnd.IntN(4) == 0 {
						b = 2*rnd.IntN(i+1) + c
					}
					name := []string{"=", "=", "=", "<="}[rnd.IntN(4)]
					conds = append(conds, op(t, name, col(a, types[c]), col(b, types[c])))
				}
				j.Cond = expr.Conjunction(conds)
			}
			tree = j
		}
		var want [][]fqgw.Value
		for _, p := range product {
			if holds(t, tree, p) {
				want = append(want, p)
			}
		}
		rows, err := (&Runner{Leaf: l.run}).Run(&fqgw.Env{}, tree)
		got := all(t, rows, err)
		sameRows(t, fmt.Sprintf("round %d, %d relations of %v", round, n, names), got, want)
	}
}

// holds says whether the conditions of a left-deep tree of joins hold for a whole row.
func holds(t *testing.T, n plan.Node, row []fqgw.Value) bool {
	j, ok := n.(*plan.Join)
	if !ok {
		return true
	}
	if j.Cond != nil {
		v, err := j.Cond.Eval(nil, row)
		if err != nil {
			t.Fatal(err)
		}
		if !v.True() {
			return false
		}
	}
	return holds(t, j.Left, row)
}

func sameRows(t *testing.T, what string, got, want [][]fqgw.Value) {
	t.Helper()
	slices.SortFunc(got, compareRows)
	slices.SortFunc(want, compareRows)
	if !slices.EqualFunc(got, want, func(a, b []fqgw.Value) bool { return compareRows(a, b) == 0 }) {
		t.Fatalf("%s\ngot  %v\nwant %v", what, got, want)
	}
}

// TestLongSides joins a short side with one that is longer than a turn, either way
// round: the longer one streams.
func TestLongSides(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	names := []string{"float8", "int4"}
	types := typed(names)
	short, _ := randomTable(rnd, names, 12)
	long, _ := randomTable(rnd, names, turn+100)
	for _, r := range long[50:] { // most meet nothing, so that the answers stay small
		r[0] = fqgw.FloatValue(float64(rnd.IntN(1000) + 10))
	}
	for _, sides := range [][2][][]fqgw.Value{{short, long}, {long, short}} {
		for kind := plan.Inner; kind <= plan.Anti; kind++ {
			if kind == plan.Cross {
				continue
			}
			l := newTestLeaf()
			cond := expr.Conjunction([]fqgw.Expr{op(t, "=", col(0, types[0]), col(2, types[0])), op(t, "<=", col(1, types[1]), col(3, types[1]))})
			j := &plan.Join{Kind: kind, Left: scanOf(l, "l", types, sides[0]), Right: scanOf(l, "r", types, sides[1]), Cond: cond}
			memory := fqgw.NewMemory("the test", "--memory", 0)
			rows, err := (&Runner{Leaf: l.run}).Run(&fqgw.Env{Memory: memory}, j)
			got := all(t, rows, err)
			sameRows(t, Title(j), got, nestedLoop(t, j, sides[0], sides[1]))
			if memory.Used() != 0 {
				t.Errorf("%s leaves %d bytes", Title(j), memory.Used())
			}
		}
	}
}

// TestSortRandom sorts random rows, whole and their first, and compares with a
// stable sort; DISTINCT and the set operations with what equality says.
func TestSortRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 400 {
		l := newTestLeaf()
		names := randomTypes(rnd, 1+rnd.IntN(3))
		types := typed(names)
		rows, _ := randomTable(rnd, names, rnd.IntN(300))
		var by []plan.SortKey
		for i := range types {
			var x fqgw.Expr = col(i, types[i])
			if rnd.IntN(4) == 0 && names[i] == "int4" {
				x = op(t, "+", x, &expr.Const{Val: fqgw.IntValue(1), Typ: fqgw.Int4})
			}
			by = append(by, plan.SortKey{Expr: x, Desc: rnd.IntN(2) == 0, NullsFirst: rnd.IntN(2) == 0})
		}
		by = by[:1+rnd.IntN(len(by))]
		want := slices.Clone(rows)
		slices.SortStableFunc(want, func(a, b []fqgw.Value) int { return compareKeys(by, a, b) })
		in := &plan.Sort{Input: scanOf(l, "t", types, rows), Keys: by}
		check := func(what string, n plan.Node, want [][]fqgw.Value) {
			t.Helper()
			memory := fqgw.NewMemory("the test", "--memory", 0)
			out, err := (&Runner{Leaf: l.run}).Run(&fqgw.Env{Memory: memory}, n)
			got := all(t, out, err)
			if !slices.EqualFunc(got, want, func(a, b []fqgw.Value) bool { return identical(a, b) }) {
				t.Fatalf("%s of %d rows of %v\ngot  %v\nwant %v", what, len(rows), names, got, want)
			}
			if memory.Used() != 0 {
				t.Fatalf("%s leaves %d bytes", what, memory.Used())
			}
		}
		check("sort", in, want)
		count, offset := rnd.IntN(12), rnd.IntN(5)
		number := func(n int) fqgw.Expr { return &expr.Const{Val: fqgw.IntValue(int64(n)), Typ: fqgw.Int8} }
		from := min(offset, len(want))
		to := min(from+count, len(want))
		check("limit", &plan.Limit{Input: in, Count: number(count), Offset: number(offset)}, want[from:to])
		for to > from && to < len(want) && compareKeys(by, want[to-1], want[to]) == 0 {
			to++
		}
		check("ties", &plan.Limit{Input: in, Count: number(count), Offset: number(offset), Ties: by}, want[from:to])
	}
}

// identical says whether two rows are the very same: 1.0 is not 1.00.
func identical(a, b []fqgw.Value) bool {
	return slices.Equal(appendIdentities(nil, a), appendIdentities(nil, b))
}

// TestRandomAsked asks a PostgreSQL (-ask, see TestSQL) random queries over random
// tables: joins of every kind and number, set operations, DISTINCT, ORDER BY with
// LIMIT, subqueries; the rows must be the same.
func TestRandomAsked(t *testing.T) {
	if *ask15 == "" {
		t.Skip("needs -ask")
	}
	rnd := rand.New(rand.NewPCG(9, uint64(*askSeed)))
	for round := range *askRounds {
		names := randomTypes(rnd, 3)
		l := newTestLeaf()
		c := &fqgw.Catalog{Tables: map[fqgw.QualifiedName]*fqgw.Table{}}
		var script strings.Builder
		script.WriteString("SET client_min_messages=error; SET TimeZone='UTC';\n")
		for i := range 4 {
			rows, texts := randomTable(rnd, names, rnd.IntN(9))
			name := fmt.Sprint("r", i)
			l.data[name] = rows
			var cols []fqgw.Column
			var defs []string
			for k, n := range names {
				typ, _ := fqgw.TypeByName(n)
				cols = append(cols, fqgw.Column{Name: string(rune('a' + k)), Type: typ})
				defs = append(defs, fmt.Sprintf("%c %s", 'a'+k, typ.PgName()))
			}
			c.Tables[fqgw.Public(name)] = &fqgw.Table{OID: uint32(20000 + i), Name: name, Columns: cols}
			fmt.Fprintf(&script, "CREATE TEMP TABLE %s (%s);\n", name, strings.Join(defs, ", "))
			for _, r := range texts {
				vals := make([]string, len(r))
				for k, s := range r {
					if vals[k] = "'" + s + "'"; s == `\N` {
						vals[k] = "NULL"
					}
				}
				fmt.Fprintf(&script, "INSERT INTO %s VALUES (%s);\n", name, strings.Join(vals, ", "))
			}
		}
		var queries []string
		for range 20 {
			queries = append(queries, randomOperators(rnd))
		}
		for i, q := range queries {
			fmt.Fprintf(&script, "%s;\n\\echo @%d\n", q, i)
		}
		cmd := exec.Command("psql", "-X", "-q", "-A", "-t", "-F", "|", "-P", `null=\N`, *ask15)
		cmd.Stdin = strings.NewReader(script.String())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatal(err, string(out))
		}
		rest := string(out)
		for i, q := range queries {
			text, more, _ := strings.Cut(rest, fmt.Sprintf("@%d\n", i))
			rest = more
			if strings.Contains(text, "ERROR") {
				t.Fatal(q, text)
			}
			var want []string
			if text != "" {
				want = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
			}
			st, err := parse.Parse(q)
			if err != nil {
				t.Fatal(q, err)
			}
			n, err := (&bind.Binder{Catalog: c, Stmt: st[0]}).Query(st[0].Node)
			if err != nil {
				t.Fatal(q, err)
			}
			var programs Programs
			for range 2 {
				got, err := answerOf(l, n, &programs)
				if err != nil {
					t.Fatal(q, err)
				}
				got, want := slices.Clone(got), slices.Clone(want)
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Fatalf("round %d\n%s\n%s\n  got  %q\n  want %q", round, script.String()[:strings.Index(script.String(), ";\n\\echo")], q, got, want)
				}
			}
		}
	}
}

// randomOperators is a query over the tables r0 … r3 of columns a, b, c. What it
// gives does not depend on which of several equal values is kept.
func randomOperators(rnd *rand.Rand) string {
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	column := func() string { return pick("a", "b", "c") }
	table := func() string { return pick("r0", "r1", "r2", "r3") }
	match := func(l, r string) string {
		c := column()
		s := fmt.Sprintf("%s.%s %s %s.%[2]s", l, c, pick("=", "=", "=", "<", "IS NOT DISTINCT FROM"), r)
		if rnd.IntN(3) == 0 {
			d := column()
			s += fmt.Sprintf(" AND %s.%s = %s.%[2]s", l, d, r)
		}
		return s
	}
	switch rnd.IntN(9) {
	case 8:
		return fmt.Sprintf("SELECT x.* FROM %s x, %s w WHERE %s AND %s EXISTS "+
			"(SELECT * FROM %s y LEFT JOIN %s z ON %s WHERE %s AND (y.%s IS NULL) IS %s AND %s EXISTS (SELECT FROM %s v WHERE %s%s))",
			table(), table(), match("x", "w"), pick("", "NOT"), table(), table(), match("y", "z"), match("x", "y"), column(),
			pick("true", "false"), pick("", "NOT"), table(), match("v", "y"), pick("", " AND "+match("v", "x")))
	case 0:
		return fmt.Sprintf("SELECT x.*, y.* FROM %s x %s JOIN %s y ON %s", table(), pick("", "LEFT", "RIGHT"), table(), match("x", "y"))
	case 1:
		c := column()
		return fmt.Sprintf("SELECT x.*, y.* FROM %s x FULL JOIN %s y ON x.%s = y.%[3]s", table(), table(), c)
	case 2:
		return fmt.Sprintf("SELECT x.*, z.a, w.b FROM %s x, %s y, %s z, %s w WHERE %s AND %s AND %s",
			table(), table(), table(), table(), match("x", "z"), match("y", "w"), match("z", "w"))
	case 3:
		return fmt.Sprintf("SELECT x.* FROM %s x LEFT JOIN (%s y JOIN %s z ON %s) ON %s",
			table(), table(), table(), match("y", "z"), match("x", "y"))
	case 4:
		c := column()
		return fmt.Sprintf("SELECT x.* FROM %s x WHERE %s EXISTS (SELECT 1 FROM %s y WHERE %s%s)", table(), pick("", "NOT"), table(),
			match("y", "x"), pick("", fmt.Sprintf(" AND y.%s %s x.%[1]s", c, pick("<", ">=", "<>"))))
	case 5:
		return fmt.Sprintf("SELECT x.* FROM %s x WHERE x.%s %s (SELECT y.%[2]s FROM %[4]s y WHERE %[5]s)",
			table(), column(), pick("IN", "NOT IN"), table(), pick("true", match("y", "x")))
	case 6: // counts, since equal values may look different
		return fmt.Sprintf("SELECT count(*) FROM (SELECT %s FROM %s %s SELECT %[1]s FROM %[4]s) q", pick("a", "a, b", "c, a, b"), table(),
			pick("UNION", "UNION ALL", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL"), table())
	}
	c, d := column(), column()
	return fmt.Sprintf("SELECT count(*), count(DISTINCT x.%s) FROM (SELECT * FROM %s ORDER BY %[1]s %[3]s NULLS %[4]s, %[5]s LIMIT %[6]d) x",
		c, table(), pick("ASC", "DESC"), pick("FIRST", "LAST"), d, rnd.IntN(6))
}

// TestManyRelations joins more relations than one node takes.
func TestManyRelations(t *testing.T) {
	l := newTestLeaf()
	var tree plan.Node
	for i := range 2*maxRelations + 5 {
		rel := scanOf(l, fmt.Sprint("r", i), []fqgw.Type{fqgw.Int8}, [][]fqgw.Value{{fqgw.IntValue(7)}, {fqgw.IntValue(int64(i))}})
		if tree == nil {
			tree = rel
			continue
		}
		tree = &plan.Join{Kind: plan.Inner, Left: tree, Right: rel, Cond: op(t, "=", col(i-1, fqgw.Int8), col(i, fqgw.Int8))}
	}
	rows, err := (&Runner{Leaf: l.run}).Run(&fqgw.Env{}, tree)
	if got := all(t, rows, err); len(got) != 2 || got[0][70].Int() != 7 { // the 7 of r7 is there twice
		t.Errorf("%d rows", len(got))
	}
}
