package bind

import (
	"reflect"
	"slices"
	"testing"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// TestChildren: every kind of node that is known to the grammar gives its parts: a
// part that is not walked is a column that nothing is said to mention.
func TestChildren(t *testing.T) {
	// Fields that are no parts of an expression: names, operators, types.
	names := map[string][]string{
		"ColumnRef": {"Fields"}, "TypeName": {"Names", "Typmods", "ArrayBounds"}, "FuncCall": {"Funcname"}, "A_Expr": {"Name"}, "SubLink": {"OperName"},
		"CollateClause": {"Collname"}, "RowExpr": {"Colnames"}, "ResTarget": {"Indirection"}, "SortBy": {"UseOp"}, "GroupingFunc": {"Refs"},
		"JoinExpr": {"UsingClause"}, "RangeFunction": {"Coldeflist"}, "RangeTableSample": {"Method", "Repeatable"}, "SelectStmt": {"LockingClause"},
		"CommonTableExpr": {"Aliascolnames", "Ctecoltypes", "Ctecolnames", "Ctecoltypmods", "Ctecolcollations"},
	}
	fields := (&pg.Node{}).ProtoReflect().Descriptor().Fields()
	n := 0
	for i := range fields.Len() {
		m := (&pg.Node{}).ProtoReflect()
		m.Set(fields.Get(i), m.NewField(fields.Get(i)))
		node := m.Interface().(*pg.Node)
		v := reflect.ValueOf(node.Node).Elem().Field(0).Elem()
		var want []*pg.Node
		for j := range v.NumField() {
			f := v.Type().Field(j)
			if !f.IsExported() || f.Name == "Xpr" || slices.Contains(names[v.Type().Name()], f.Name) {
				continue
			}
			part := &pg.Node{}
			switch v.Field(j).Interface().(type) {
			case *pg.Node:
				v.Field(j).Set(reflect.ValueOf(part))
				want = append(want, part)
			case []*pg.Node:
				v.Field(j).Set(reflect.ValueOf([]*pg.Node{part}))
				want = append(want, part)
			}
		}
		var got []*pg.Node
		children(node, func(c *pg.Node) { got = append(got, c) })
		for _, w := range want {
			n++
			if !slices.Contains(got, w) {
				t.Errorf("a part of %s is not walked", v.Type().Name())
			}
		}
	}
	if n < 200 {
		t.Errorf("only %d parts", n)
	}
}
