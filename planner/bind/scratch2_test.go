package bind

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/plan"
)

func TestScratchCatalog(t *testing.T) {
	f, err := os.Open("/work/shared/pgwire/pg15-catalog/catalog-columns.csv")
	if err != nil {
		t.Skip()
	}
	rows, _ := csv.NewReader(f).ReadAll()
	rels := map[string]*plan.SystemRelation{}
	for _, r := range rows[1:] {
		key := r[0] + "." + r[1]
		rel := rels[key]
		if rel == nil {
			o, _ := strconv.Atoi(r[2]); rel = &plan.SystemRelation{Schema: r[0], Name: r[1], OID: uint32(o)}
			rels[key] = rel
		}
		oid, _ := strconv.Atoi(r[6])
		typ, ok := fqgw.TypeByOID(uint32(oid))
		if !ok {
			switch r[7] {
			case "information_schema.sql_identifier":
				typ = fqgw.Name
			case "information_schema.cardinal_number":
				typ = fqgw.Int4
			case "information_schema.yes_or_no", "information_schema.character_data":
				typ = fqgw.Varchar
			case "information_schema.time_stamp":
				typ = fqgw.Timestamptz
			default:
				typ = fqgw.Text
			}
		}
		rel.Columns = append(rel.Columns, fqgw.Column{Name: r[5], Type: typ})
	}
	system := func(schema, name string) *plan.SystemRelation {
		if schema == "" {
			schema = "pg_catalog"
		}
		return rels[schema+"."+name]
	}
	type col struct {
		Name string
		OID  uint32
	}
	type query struct {
		SQL      string
		Columns  []col
		Inferred []uint32 `json:"inferred_oids"`
		Given    []uint32 `json:"param_oids"`
		Error    any
		Clients  []string
	}
	in, _ := os.Open("/work/shared/pgwire/catalog-queries.jsonl")
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, 1<<24)
	errs := map[string][]string{}
	n, ok, diff := 0, 0, 0
	for sc.Scan() {
		var q query
		if err := json.Unmarshal(sc.Bytes(), &q); err != nil {
			t.Fatal(err)
		}
		stmts, err := parse.Parse(q.SQL)
		if err != nil || len(stmts) == 0 || stmts[0].Node.GetSelectStmt() == nil {
			continue
		}
		n++
		b := &Binder{Catalog: testCatalog(), System: system, Params: NewParams(q.Given), Stmt: stmts[0]}
		node, err := b.Query(stmts[0].Node)
		if err != nil {
			if q.Error != nil {
				ok++
				continue
			}
			k := err.Error()
			errs[k] = append(errs[k], strings.Join(q.Clients, ",")+": "+q.SQL[:min(len(q.SQL), 3000)])
			continue
		}
		if q.Error != nil {
			fmt.Println("PG ERROR", q.Error, q.SQL[:min(len(q.SQL), 200)])
			continue
		}
		bad := ""
		if q.Columns != nil {
			cols := node.Columns()
			for i, c := range cols {
				if i >= len(q.Columns) || c.Name != q.Columns[i].Name || c.Type.OID != q.Columns[i].OID {
					want := "none"
					if i < len(q.Columns) {
						want = fmt.Sprint(q.Columns[i])
					}
					bad += fmt.Sprintf(" %s:%d want %s;", c.Name, c.Type.OID, want)
				}
			}
		}
		if q.Inferred != nil {
			types, err := b.Params.Types()
			if err != nil || len(types) != len(q.Inferred) {
				bad += fmt.Sprint(" params ", types, err, q.Inferred)
			} else {
				for i := range types {
					if types[i].OID != q.Inferred[i] {
						bad += fmt.Sprintf(" $%d %d want %d", i+1, types[i].OID, q.Inferred[i])
					}
				}
			}
		}
		if bad != "" {
			diff++
			fmt.Println("DIFF", bad, "\n     ", strings.ReplaceAll(q.SQL[:min(len(q.SQL), 300)], "\n", " "))
			continue
		}
		ok++
	}
	fmt.Println(n, "ok", ok, "diff", diff)
	var keys []string
	for k := range errs {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return len(errs[keys[i]]) > len(errs[keys[j]]) })
	for _, k := range keys {
		fmt.Println("ERROR", len(errs[k]), k, "\n     ", strings.ReplaceAll(errs[k][0], "\n", " ")[:min(len(errs[k][0]), 250)])
	}
}
