package relational

import (
	"context"
	"reflect"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/sqltypes"
	"github.com/dolthub/vitess/go/vt/proto/query"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// tuple is one element of a sql.Row: the row of one side. Whoever gives it out
// may use it again for its next row.
type tuple struct{ vals []fqgw.Value }

// rowType is the type of such an element for go-mysql-server, opaque to it.
type rowType struct{ cols []plan.Column }

func (t rowType) Compare(context.Context, any, any) (int, error) { return 0, reached() }
func (t rowType) Convert(context.Context, any) (any, sql.ConvertInRange, error) {
	return nil, sql.OutOfRange, reached()
}
func (t rowType) Equals(other sql.Type) bool                    { return false }
func (t rowType) MaxTextResponseByteLength(*sql.Context) uint32 { return 0 }
func (t rowType) Promote() sql.Type                             { return t }
func (t rowType) SQL(*sql.Context, []byte, any) (sqltypes.Value, error) {
	return sqltypes.Value{}, reached()
}
func (t rowType) Type() query.Type        { return query.Type_TUPLE }
func (t rowType) ValueType() reflect.Type { return reflect.TypeFor[*tuple]() }
func (t rowType) Zero() any               { return nil }
func (t rowType) String() string {
	names := make([]string, len(t.cols))
	for i, c := range t.cols {
		names[i] = c.Name + " " + c.Type.String()
	}
	return "(" + strings.Join(names, ", ") + ")"
}
func (t rowType) CollationCoercibility(*sql.Context) (sql.CollationID, byte) {
	return sql.Collation_binary, 5
}

// reached says that go-mysql-server tried to work with a value itself.
func reached() error { return fqgw.Errorf(fqgw.CodeInternal, "a value reached go-mysql-server") }

// layout is the number of columns in each element of a node's rows.
type layout []int

func (l layout) width() int {
	n := 0
	for _, w := range l {
		n += w
	}
	return n
}

func (l layout) schema(cols []plan.Column) sql.Schema {
	out := make(sql.Schema, len(l))
	for i, w := range l {
		out[i] = &sql.Column{Name: "row", Type: rowType{cols[:w]}, Nullable: true}
		cols = cols[w:]
	}
	return out
}

// flat gives the values of a row side by side, in buf unless the row has them
// so. A join's condition gets rows with more elements in front (those of an
// enclosing join); the last are meant.
func (l layout) flat(buf *[]fqgw.Value, row sql.Row) []fqgw.Value {
	row = row[len(row)-len(l):]
	if len(row) == 1 {
		if t, ok := row[0].(*tuple); ok {
			return t.vals
		}
	}
	out := (*buf)[:0]
	for i, e := range row {
		if t, ok := e.(*tuple); ok {
			out = append(out, t.vals...)
			continue
		}
		for range l[i] {
			out = append(out, fqgw.Null)
		}
	}
	*buf = out
	return out
}
