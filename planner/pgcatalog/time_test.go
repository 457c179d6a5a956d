package pgcatalog_test
import ("testing";"time";"context";"github.com/fqgw/fqgw";"github.com/fqgw/fqgw/planner/pgcatalog";"github.com/fqgw/fqgw/planner/plan")
func TestTime(t *testing.T){
 for round := range 2 {
 pgcatalog.Relations(func(r *plan.SystemRelation){
  start:=time.Now()
  env := &fqgw.Env{Ctx: context.Background(), Session: session{cat}}
  rows, err := r.Rows(env)
  if err!=nil {t.Error(err)}
  if d:=time.Since(start); d>3*time.Millisecond { t.Log(round, r.Schema, r.Name, len(rows), d)}
  for _, row := range rows { for i, v := range row { if !v.IsNull() && v.Kind()!=r.Columns[i].Type.Kind() { t.Error(r.Name, r.Columns[i].Name, v.Kind(), r.Columns[i].Type) } ; if v.IsNull() && r.Columns[i].NotNull {t.Error(r.Name, r.Columns[i].Name, "NULL")} } }
 })}
}
