package relational

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/plan"
)

// The files of testdata are what PostgreSQL 15 answers: a query on one line, then
// its rows (columns apart by |, \N is NULL) each after a tab, or "!" with
// SQLSTATE and message. The rows of a query without ORDER BY at its end are
// compared in any order. To ask a server again:
//
//	go test ./planner/relational -run TestSQL -ask 'host=127.0.0.1 port=15872 user=postgres'
var ask15 = flag.String("ask", "", "conninfo of a PostgreSQL 15 that answers the queries of testdata anew")

var (
	askSeed   = flag.Int("askseed", 1, "seed of the random queries that -ask answers")
	askRounds = flag.Int("askrounds", 30, "their rounds, of 20 queries each")
)

var answersFiles = []string{"testdata/queries.txt", "testdata/correlated.txt"}

// tables are the relations of the queries: columns, then rows in text form.
var tables = map[string]struct{ columns, rows string }{
	"emp": {"id int4 name text dept int4 pay numeric boss int4 hired date rate float8", `
1|ada|10|100.50|\N|2013-01-01|1.5
2|bob|10|80|1|2013-02-01|\N
3|cy|20|80.00|1|2013-02-01|2.5
4|dee|20|\N|3|2013-03-15|0.25
5|eve|\N|55.25|3|2013-04-01|NaN
6|fay|30|70|9|\N|-1`},
	"dept": {"id int8 title text", `
10|north
20|south
40|empty
\N|nowhere`},
	"t": {"a int4 b text c float8", `
1|x|1
1|x|1
2|y|\N
\N|x|0
\N|\N|-0
3||NaN`},
	"u": {"a int8 b text", `
1|x
2|z
2|y
\N|x
5|y`},
	"ev": {"k text at timestamp v int4", `
a|2013-01-01 00:00:00|1
a|2013-01-01 00:10:00|2
a|2013-01-01 00:10:00|3
a|2013-01-01 01:00:00|\N
b|2013-01-01 00:05:00|10
b|2013-01-02 00:05:00|20
a|\N|7`},
	"pad":     {"k bpchar n int4", "a|1\na  |2\nb|3"},
	"nothing": {"a int4 b text", ""},
}

func tableColumns(name string) []fqgw.Column { return columnsOf(tables[name].columns) }

// columnsOf reads names and types, in turn.
func columnsOf(text string) []fqgw.Column {
	var out []fqgw.Column
	f := strings.Fields(text)
	for i := 0; i < len(f); i += 2 {
		t, ok := fqgw.TypeByName(f[i+1])
		if !ok {
			panic(f[i+1])
		}
		out = append(out, fqgw.Column{Name: f[i], Type: t})
	}
	return out
}

func tableRows(name string) [][]fqgw.Value {
	cols := tableColumns(name)
	var out [][]fqgw.Value
	for _, line := range strings.Split(strings.TrimPrefix(tables[name].rows, "\n"), "\n") {
		if line == "" {
			continue
		}
		var row []fqgw.Value
		for i, s := range strings.Split(line, "|") {
			v := fqgw.Null
			if s != `\N` {
				var err error
				if v, err = expr.Parse(s, cols[i].Type, nil); err != nil {
					panic(err)
				}
			}
			row = append(row, v)
		}
		out = append(out, row)
	}
	return out
}

func testCatalog() *fqgw.Catalog {
	c := &fqgw.Catalog{Tables: map[fqgw.QualifiedName]*fqgw.Table{}}
	oid := uint32(20000)
	for name := range tables {
		oid++
		c.Tables[fqgw.Public(name)] = &fqgw.Table{OID: oid, Name: name, Columns: tableColumns(name)}
	}
	return c
}

// testLeaf runs the leaves of the queries; it counts the scans of tables and
// their rows.
type testLeaf struct {
	data  map[string][][]fqgw.Value
	scans map[string]int
	rows  int
}

func newTestLeaf() *testLeaf {
	l := &testLeaf{data: map[string][][]fqgw.Value{}, scans: map[string]int{}}
	for name := range tables {
		l.data[name] = tableRows(name)
	}
	return l
}

func (l *testLeaf) run(env *fqgw.Env, n plan.Node) (fqgw.Rows, error) {
	switch n := n.(type) {
	case *plan.Values:
		var out [][]fqgw.Value
		for _, r := range n.Rows {
			var row []fqgw.Value
			for _, x := range r {
				v, err := x.Eval(env, nil)
				if err != nil {
					return nil, err
				}
				row = append(row, v)
			}
			out = append(out, row)
		}
		return &sliceRows{out}, nil
	case *plan.TableScan:
		l.scans[n.Table.Name]++
		rows := &sliceRows{l.data[n.Table.Name]}
		buf := make([]fqgw.Value, len(n.Fields)) // valid until the next, as stores give them
		return &funcRows{next: func() ([]fqgw.Value, error) {
			row, err := rows.Next()
			if err != nil {
				return nil, err
			}
			l.rows++
			for i, f := range n.Fields {
				buf[i] = row[f]
			}
			return buf, nil
		}}, nil
	case *plan.TableFunc:
		var args []fqgw.Value
		var types []fqgw.Type
		for _, x := range n.Args {
			v, err := x.Eval(env, nil)
			if err != nil {
				return nil, err
			}
			args, types = append(args, v), append(types, x.Type())
		}
		set, err := expr.RunSet(n.Name, env, args, types)
		if err != nil || !n.Ordinality {
			return set, err
		}
		count := int64(0)
		return &funcRows{next: func() ([]fqgw.Value, error) {
			row, err := set.Next()
			count++
			return append(row[:len(row):len(row)], fqgw.IntValue(count)), err
		}}, nil
	}
	return nil, fmt.Errorf("no leaf %T", n)
}

func bindSQL(sql string) (plan.Node, error) {
	st, err := parse.Parse(sql)
	if err != nil {
		return nil, err
	}
	return (&bind.Binder{Catalog: testCatalog(), Stmt: st[0]}).Query(st[0].Node)
}

// answer runs a query as a statement; each row is one string.
func answer(l *testLeaf, sql string) ([]string, error) {
	n, err := bindSQL(sql)
	if err != nil {
		return nil, err
	}
	return answerOf(l, n, nil)
}

func answerOf(l *testLeaf, n plan.Node, programs *Programs) ([]string, error) {
	r := &Runner{Leaf: l.run, MemoryLimit: 64 << 20}
	env, end := r.Begin(&fqgw.Env{Ctx: context.Background(), Now: 1357387200_000000}, programs)
	defer end()
	rows, err := r.Run(env, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for {
		row, err := rows.Next()
		if err == io.EOF {
			return out, rows.Close()
		}
		if err != nil {
			return nil, err
		}
		var cells []string
		for i, v := range row {
			if v.IsNull() {
				cells = append(cells, `\N`)
				continue
			}
			cells = append(cells, escaped.Replace(expr.Text(v, n.Columns()[i].Type, env)))
		}
		out = append(out, strings.Join(cells, "|"))
	}
}

// escaped is a value on one line.
var escaped = strings.NewReplacer("\n", `\n`, `\`, `\\`)

// question is one query of the file with its answer.
type question struct {
	sql  string
	rows []string
	err  string
}

func questions(t testing.TB) []question {
	var text []byte
	for _, f := range answersFiles {
		lines, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, lines...)
	}
	var out []question
	for _, line := range strings.Split(string(text), "\n") {
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '\t':
			out[len(out)-1].rows = append(out[len(out)-1].rows, line[1:])
		case line[0] == '!':
			out[len(out)-1].err = line[1:]
		default:
			out = append(out, question{sql: line})
		}
	}
	return out
}

func TestSQL(t *testing.T) {
	if *ask15 != "" {
		for _, f := range answersFiles {
			askPostgres(t, f)
		}
	}
	leaf := newTestLeaf()
	for _, q := range questions(t) {
		got, err := answer(leaf, q.sql)
		if err != nil || q.err != "" {
			s := ""
			if err != nil {
				e := fqgw.AsError(err)
				s = string(e.Code) + " " + e.Message
			}
			if s != q.err {
				t.Errorf("%s\n  error %q, want %q", q.sql, s, q.err)
			}
			continue
		}
		want := q.rows
		if !ordered(q.sql) {
			slices.Sort(got)
			want = slices.Sorted(slices.Values(want))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s\n  got  %q\n  want %q", q.sql, got, want)
		}
	}
}

// TestProgramsAreShared runs each query with the same programs several times at
// once: the answers must be those of a run by itself.
func TestProgramsAreShared(t *testing.T) {
	var qs []question
	for _, q := range questions(t) {
		if q.err == "" {
			qs = append(qs, q)
		}
	}
	plans, programs := make([]plan.Node, len(qs)), make([]Programs, len(qs))
	for i, q := range qs {
		var err error
		if plans[i], err = bindSQL(q.sql); err != nil {
			t.Fatal(q.sql, err)
		}
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			leaf := newTestLeaf()
			for i, q := range qs {
				want, err := answer(leaf, q.sql)
				got, again := answerOf(leaf, plans[i], &programs[i])
				if !slices.Equal(got, want) || again != nil || err != nil {
					t.Errorf("%s\n  got  %q %v\n  want %q %v", q.sql, got, again, want, err)
				}
			}
		})
	}
	group.Wait()
}

// ordered says whether the query ends in ORDER BY, LIMIT or the like.
func ordered(sql string) bool {
	i := strings.LastIndex(sql, "ORDER BY")
	return i >= 0 && strings.Count(sql[i:], "(") >= strings.Count(sql[i:], ")")
}

// askPostgres rewrites the answers of a file.
func askPostgres(t *testing.T, file string) {
	var script strings.Builder
	script.WriteString("SET client_min_messages=error; SET TimeZone='UTC';\n\\set VERBOSITY verbose\n")
	for name, tab := range tables {
		var cols []string
		for _, c := range tableColumns(name) {
			cols = append(cols, c.Name+" "+c.Type.PgName())
		}
		fmt.Fprintf(&script, "CREATE TEMP TABLE %s (%s);\n", name, strings.Join(cols, ", "))
		for _, line := range strings.Split(tab.rows, "\n") {
			if line == "" {
				continue
			}
			var vals []string
			for _, s := range strings.Split(line, "|") {
				if vals = append(vals, "'"+s+"'"); s == `\N` {
					vals[len(vals)-1] = "NULL"
				}
			}
			fmt.Fprintf(&script, "INSERT INTO %s VALUES (%s);\n", name, strings.Join(vals, ", "))
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, line := range strings.Split(string(text), "\n") {
		if line == "" || line[0] == '\t' || line[0] == '!' {
			continue
		}
		out.WriteString(line + "\n")
		if line[0] == '#' {
			continue
		}
		cmd := exec.Command("psql", "-X", "-q", "-A", "-t", "-F", "|", "-R", "\x1e", "-P", "null=\x1d", *ask15)
		cmd.Stdin = strings.NewReader(script.String() + line + ";\n")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		rows, err := cmd.Output()
		if err != nil {
			t.Fatal(err, stderr.String())
		}
		if _, e, failed := strings.Cut(stderr.String(), "ERROR:  "); failed {
			e, _, _ = strings.Cut(e, "\n")
			code, msg, _ := strings.Cut(e, ": ")
			out.WriteString("!" + code + " " + msg + "\n")
			continue
		}
		for _, r := range strings.Split(strings.TrimSuffix(string(rows), "\n"), "\x1e") {
			if len(rows) > 0 {
				out.WriteString("\t" + strings.ReplaceAll(escaped.Replace(r), "\x1d", `\N`) + "\n")
			}
		}
	}
	if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
