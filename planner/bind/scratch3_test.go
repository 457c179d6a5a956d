package bind

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/relational"
)

var pgSetup = `SET client_min_messages = error; DROP TABLE IF EXISTS t,u,user_clicks;
CREATE TABLE t(a int, b text, c float8); INSERT INTO t VALUES (1,'x',1.5),(2,'y',NULL),(NULL,'z',3),(3,'x',0);
CREATE TABLE u(a int8, b text, d date); INSERT INTO u VALUES (1,'x','2013-01-01'),(3,'q',NULL),(4,'z','2013-01-02'),(1,'w',NULL);
CREATE TABLE user_clicks(user_id int8, clicks int8); INSERT INTO user_clicks VALUES (1,10),(2,NULL),(4,7);
SET statement_timeout = '4s';
`

func iv(i int64) fqgw.Value { return fqgw.IntValue(i) }

var data = map[string][][]fqgw.Value{
	"t": {{iv(1), fqgw.TextValue("x"), fqgw.FloatValue(1.5)}, {iv(2), fqgw.TextValue("y"), fqgw.Null}, {fqgw.Null, fqgw.TextValue("z"), fqgw.FloatValue(3)}, {iv(3), fqgw.TextValue("x"), fqgw.FloatValue(0)}},
	"u": {{iv(1), fqgw.TextValue("x"), fqgw.DateValue(15706)}, {iv(3), fqgw.TextValue("q"), fqgw.Null}, {iv(4), fqgw.TextValue("z"), fqgw.DateValue(15707)}, {iv(1), fqgw.TextValue("w"), fqgw.Null}},
}
var clicks = map[int64]fqgw.Value{1: iv(10), 2: fqgw.Null, 4: iv(7)}

type sliceRows struct {
	rows [][]fqgw.Value
}

func (s *sliceRows) Next() ([]fqgw.Value, error) {
	if len(s.rows) == 0 {
		return nil, io.EOF
	}
	r := s.rows[0]
	s.rows = s.rows[1:]
	return r, nil
}
func (s *sliceRows) Close() error { return nil }

func leafOf(r **relational.Runner) func(env *fqgw.Env, n plan.Node) (fqgw.Rows, error) {
	return func(env *fqgw.Env, n plan.Node) (fqgw.Rows, error) {
		switch n := n.(type) {
		case *plan.Values:
			var out [][]fqgw.Value
			for _, row := range n.Rows {
				var vals []fqgw.Value
				for _, e := range row {
					v, err := e.Eval(env, nil)
					if err != nil {
						return nil, err
					}
					vals = append(vals, v)
				}
				out = append(out, vals)
			}
			return &sliceRows{out}, nil
		case *plan.TableScan:
			var out [][]fqgw.Value
			for _, row := range data[n.Table.Name] {
				vals := []fqgw.Value{}
				for _, f := range n.Fields {
					vals = append(vals, row[f])
				}
				out = append(out, vals)
			}
			return &sliceRows{out}, nil
		case *plan.TableFunc:
			var args []fqgw.Value
			var types []fqgw.Type
			for _, a := range n.Args {
				v, err := a.Eval(env, nil)
				if err != nil {
					return nil, err
				}
				args, types = append(args, v), append(types, a.Type())
			}
			return expr.RunSet(n.Name, env, args, types)
		case *plan.FeatureJoin:
			in, err := (*r).Run(env, n.Input)
			if err != nil {
				return nil, err
			}
			defer in.Close()
			var out [][]fqgw.Value
			for {
				row, err := in.Next()
				if err == io.EOF {
					return &sliceRows{out}, nil
				}
				if err != nil {
					return nil, err
				}
				row = slices.Clone(row)
				width := len(row)
				k, err := n.Keys[0].Eval(env, row)
				if err != nil {
					return nil, err
				}
				c, ok := clicks[k.Int()]
				ok = ok && !k.IsNull()
				if n.At != nil {
					if _, err := n.At.Eval(env, row); err != nil {
						return nil, err
					}
				}
				fill := func(ok bool) {
					row = row[:width]
					for _, o := range n.Outputs {
						switch {
						case !ok:
							row = append(row, fqgw.Null)
						case o.Kind == plan.OutKey:
							row = append(row, k)
						default:
							row = append(row, c)
						}
					}
				}
				fill(ok)
				if ok && n.On != nil {
					v, err := n.On.Eval(env, row)
					if err != nil {
						return nil, err
					}
					if !v.True() {
						ok = false
						fill(false)
					}
				}
				if ok || n.Left {
					out = append(out, row)
				}
			}
		case *plan.FeatureScan:
			var out [][]fqgw.Value
			add := func(k int64) {
				var row []fqgw.Value
				for _, o := range n.Outputs {
					if o.Kind == plan.OutKey {
						row = append(row, iv(k))
					} else {
						row = append(row, clicks[k])
					}
				}
				out = append(out, row)
			}
			if n.Keys == nil {
				for k := range clicks {
					add(k)
				}
			}
			seen := map[int64]bool{}
			for _, k := range n.Keys {
				v, err := k[0].Eval(env, nil)
				if err != nil {
					return nil, err
				}
				if _, ok := clicks[v.Int()]; ok && !v.IsNull() && !seen[v.Int()] {
					seen[v.Int()] = true
					add(v.Int())
				}
			}
			return &sliceRows{out}, nil
		}
		return nil, fmt.Errorf("leaf %T", n)
	}
}

func TestScratchOracle(t *testing.T) {
	if os.Getenv("ORACLE") == "" {
		t.Skip()
	}
	var from, to uint64
	fmt.Sscanf(os.Getenv("ORACLE"), "%d-%d", &from, &to)
	asof := regexp.MustCompile(` AS OF to_timestamp\([^)]*\)`)
	var r *relational.Runner
	r = &relational.Runner{}
	r.Leaf = leafOf(&r)
	var script strings.Builder
	script.WriteString(pgSetup)
	var sqls []string
	for seed := from; seed < to; seed++ {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 7)), stable: true}
		sql := g.query(nil, 3)
		sqls = append(sqls, sql)
		fmt.Fprintf(&script, "\\echo ###\n%s;\n", asof.ReplaceAllString(sql, ""))
	}
	cmd := exec.Command("psql", "-h", "127.0.0.1", "-p", "25991", "-U", "postgres", "-qAtX", "-P", "null=NULL")
	cmd.Stdin = strings.NewReader(script.String())
	var outb bytes.Buffer
	cmd.Stdout, cmd.Stderr = &outb, &outb
	if err := cmd.Run(); err != nil {
		t.Fatal(err, outb.String())
	}
	parts := strings.Split(outb.String(), "###\n")[1:]
	same, rows, errs, bad := 0, 0, 0, 0
	for i, sql := range sqls {
		want := strings.Split(strings.TrimSuffix(parts[i], "\n"), "\n")
		if parts[i] == "" {
			want = nil
		}
		pgErr := strings.Contains(parts[i], "ERROR:")
		b, err := bindSQL(sql, nil)
		var got []string
		if err == nil {
			func() {
				ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
				defer cancel()
				env := &fqgw.Env{Ctx: ctx}
				rs, e := r.Run(env, b.node)
				for e == nil {
					var row []fqgw.Value
					if row, e = rs.Next(); e == nil {
						if row[0].IsNull() {
							got = append(got, "NULL")
						} else {
							got = append(got, fmt.Sprint(row[0].Int()))
						}
					}
				}
				if e != io.EOF {
					err = e
				}
			}()
		}
		if pgErr || err != nil {
			if (pgErr) != (err != nil) && !strings.Contains(parts[i], "timeout") && !strings.Contains(fmt.Sprint(err), "timeout") {
				bad++
				fmt.Printf("seed %d\n%s\nPG %s\nOURS %v\n\n", from+uint64(i), sql, parts[i][:min(len(parts[i]), 300)], err)
			}
			errs++
			continue
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			bad++
			fmt.Printf("seed %d\n%s\n%s\nPG %v\nOURS %v\n\n", from+uint64(i), sql, shape(b.node), want[:min(len(want), 20)], got[:min(len(got), 20)])
			continue
		}
		same++
		rows += len(got)
	}
	fmt.Println("same", same, "rows", rows, "errors in both", errs, "bad", bad)
}
