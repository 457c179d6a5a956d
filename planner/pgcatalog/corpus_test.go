package pgcatalog_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/pgcatalog"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/relational"
)

func TestCorpus(t *testing.T) {
	f, err := os.Open("/work/shared/pgwire/catalog-queries.jsonl")
	if err != nil {
		t.Skip()
	}
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<24)
	errs := map[string][]string{}
	ok, n := 0, 0
	slow := 0
	for sc.Scan() {
		var q struct {
			SQL string
			Param_oids []uint32
			Inferred_oids []uint32
			Params struct{ Values []any }
			Error any
			Clients []string
			Columns []struct{ Name string; OID uint32 }
		}
		if err := json.Unmarshal(sc.Bytes(), &q); err != nil {
			t.Fatal(err, sc.Text()[:300])
		}
		if q.Error != nil { continue }
		n++
		start := time.Now()
		cols, _, err := runSQL(q.SQL, q.Inferred_oids, q.Params.Values)
		if d := time.Since(start); d > 50*time.Millisecond { slow++; t.Log(d, q.SQL[:min(len(q.SQL), 3000)]) }
		if err != nil {
			e := fqgw.AsError(err)
			k := string(e.Code) + " " + e.Message
			errs[k] = append(errs[k], fmt.Sprint(q.Clients)+": "+q.SQL[:min(len(q.SQL), 150)])
			continue
		}
		if len(cols) != len(q.Columns) && q.Columns != nil { t.Log("COLS", len(cols), len(q.Columns), q.SQL[:min(200,len(q.SQL))]) }
		for i, c := range q.Columns {
			if i < len(cols) {
				if c.Name != cols[i].Name || c.OID != cols[i].Type.OID {
					k := fmt.Sprintf("COLUMN want %v got %s %d", c, cols[i].Name, cols[i].Type.OID)
					errs[k] = append(errs[k], q.SQL[:min(len(q.SQL), 100)])
				}
			}
		}
		ok++
	}
	var keys []string
	for k := range errs { keys = append(keys, k) }
	sort.Slice(keys, func(i, j int) bool { return len(errs[keys[i]]) > len(errs[keys[j]]) })
	for _, k := range keys { t.Logf("%d × %s\n        %s", len(errs[k]), k, strings.ReplaceAll(errs[k][0], "\n", " ")) }
	t.Logf("%d of %d, slow %d", ok, n, slow)
}

type session struct{ c *fqgw.Catalog }

func (s session) Setting(name string) (string, bool) { return "", false }
func (s session) SetSetting(string, string, bool) error { return nil }
func (s session) User() string { return "ann" }
func (s session) Database() string { return "fqgw" }
func (s session) BackendPID() int32 { return 7 }
func (s session) Catalog() *fqgw.Catalog { return s.c }
func (s session) Call(_ context.Context, name string, args []fqgw.Value) (fqgw.Value, bool, error) {
	switch name {
	case "regclass_in":
		_, nm, found := strings.Cut(args[0].Str(), ".")
		sch := strings.TrimSuffix(args[0].Str(), "."+nm)
		if !found { nm, sch = sch, "public" }
		nm = strings.Trim(nm, `"`)
		oid, ok := pgcatalog.ClassOID(s.c, strings.Trim(sch, `"`), nm)
		if !ok { oid, ok = pgcatalog.ClassOID(s.c, "pg_catalog", nm) }
		if !ok { return fqgw.Null, true, fqgw.Errorf("42P01", "no relation %s", args[0].Str()) }
		return fqgw.IntValue(int64(oid)), true, nil
	case "regclass_out":
		_, n, _ := pgcatalog.ClassName(s.c, uint32(args[0].Int()))
		return fqgw.TextValue(n), true, nil
	}
	return fqgw.Null, false, nil
}

func leaf(env *fqgw.Env, n plan.Node) (fqgw.Rows, error) {
	switch n := n.(type) {
	case *plan.Values:
		var out [][]fqgw.Value
		for _, r := range n.Rows {
			var row []fqgw.Value
			for _, x := range r {
				v, err := x.Eval(env, nil)
				if err != nil { return nil, err }
				row = append(row, v)
			}
			out = append(out, row)
		}
		return &memory{out}, nil
	case *plan.SystemScan:
		rows, err := n.Rel.Rows(env)
		if err != nil { return nil, err }
		var out [][]fqgw.Value
		for _, r := range rows {
			var row []fqgw.Value
			for _, f := range n.Fields { row = append(row, r[f]) }
			out = append(out, row)
		}
		return &memory{out}, nil
	case *plan.TableFunc:
		var args []fqgw.Value
		var types []fqgw.Type
		for _, x := range n.Args {
			v, err := x.Eval(env, nil)
			if err != nil { return nil, err }
			args, types = append(args, v), append(types, x.Type())
		}
		set, err := expr.RunSet(n.Name, env, args, types)
		if err != nil || !n.Ordinality { return set, err }
		var out [][]fqgw.Value
		for {
			r, err := set.Next()
			if err == io.EOF { return &memory{out}, nil }
			if err != nil { return nil, err }
			out = append(out, append(append([]fqgw.Value(nil), r...), fqgw.IntValue(int64(len(out)+1))))
		}
	}
	return nil, fmt.Errorf("leaf %T", n)
}

type memory struct{ rows [][]fqgw.Value }
func (m *memory) Next() ([]fqgw.Value, error) {
	if len(m.rows) == 0 { return nil, io.EOF }
	r := m.rows[0]; m.rows = m.rows[1:]
	return r, nil
}
func (m *memory) Close() error { return nil }

var runner = &relational.Runner{Leaf: leaf, MemoryLimit: 256<<20}
var cat = &fqgw.Catalog{}

func runSQL(sql string, oids []uint32, params []any) ([]plan.Column, []string, error) {
	sts, err := parse.Parse(sql)
	if err != nil { return nil, nil, err }
	var cols []plan.Column
	var out []string
	for _, st := range sts {
		if st.Node.GetSelectStmt() == nil { continue }
		p := bind.NewParams(oids)
		b := &bind.Binder{Catalog: cat, System: pgcatalog.Lookup, Stmt: st, Params: p}
		n, err := b.Query(st.Node)
		if err != nil { return nil, nil, err }
		cols = n.Columns()
		env := &fqgw.Env{Ctx: context.Background(), Session: session{cat}, Now: time.Now().UnixMicro()}
		types, _ := p.Types()
		for i, t := range types {
			v := fqgw.Null
			if i < len(params) && params[i] != nil {
				switch x := params[i].(type) {
				case string:
					v, err = expr.Parse(x, t, env)
				case float64:
					v, err = expr.Parse(fmt.Sprint(int64(x)), t, env)
				case bool:
					v = fqgw.BoolValue(x)
				default:
					if t.Kind() == fqgw.KindInt { v = fqgw.IntValue(0) }
				}
				if err != nil { v, err = fqgw.Null, nil }
			}
			env.Args = append(env.Args, v)
		}
		rows, err := runner.Run(env, n)
		if err != nil { return nil, nil, err }
		for {
			r, err := rows.Next()
			if err == io.EOF { break }
			if err != nil { return nil, nil, err }
			var cells []string
			for i, v := range r {
				s := `\N`
				if !v.IsNull() { s = expr.Text(v, cols[i].Type, env) }
				cells = append(cells, s)
			}
			out = append(out, strings.Join(cells, "|"))
		}
		rows.Close()
	}
	return cols, out, nil
}
