package bind

import (
	"testing"
	"unicode/utf8"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/parse"
)

// FuzzQuery binds any SELECT: no panic, plans that hold together, errors with a
// SQLSTATE and a position inside the text.
func FuzzQuery(f *testing.F) {
	for _, sql := range append(statements(f), psqlStatements...) {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		stmts, err := parse.Limits{Bytes: 4096, Operators: 100, Nesting: 30}.Parse(sql)
		if err != nil || len(stmts) == 0 || stmts[0].Node.GetSelectStmt() == nil {
			return
		}
		b := &Binder{Catalog: testCatalog(), System: testSystem, Params: NewParams(nil), Stmt: stmts[0]}
		n, err := b.Query(stmts[0].Node)
		if err != nil {
			e := fqgw.AsError(err)
			if len(e.Code) != 5 || e.Code == fqgw.CodeInternal || e.Position < 0 || e.Position > utf8.RuneCountInString(sql)+1 {
				t.Fatalf("%s at %d: %s", e.Code, e.Position, e.Message)
			}
			return
		}
		if err := verify(n, nil); err != nil {
			t.Fatalf("%s\n%v", shape(n), err)
		}
	})
}
