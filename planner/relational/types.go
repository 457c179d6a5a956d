package relational

import (
	"context"
	"reflect"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/sqltypes"
	"github.com/dolthub/vitess/go/vt/proto/query"

	"github.com/fqgw/fqgw"
)

// pgType is a PostgreSQL type for go-mysql-server: opaque to it, compared by us.
type pgType struct{ t fqgw.Type }

func (p pgType) Compare(_ context.Context, a, b any) (int, error) {
	return fqgw.Compare(value(a), value(b)), nil
}
func (p pgType) Convert(_ context.Context, v any) (any, sql.ConvertInRange, error) {
	return v, sql.InRange, nil
}
func (p pgType) Equals(other sql.Type) bool                    { o, ok := other.(pgType); return ok && o.t == p.t }
func (p pgType) MaxTextResponseByteLength(*sql.Context) uint32 { return 0 }
func (p pgType) Promote() sql.Type                             { return p }
func (p pgType) SQL(*sql.Context, []byte, any) (sqltypes.Value, error) {
	return sqltypes.Value{}, fqgw.Errorf(fqgw.CodeInternal, "a value reached go-mysql-server's serialiser")
}
func (p pgType) Type() query.Type        { return query.Type_NULL_TYPE }
func (p pgType) ValueType() reflect.Type { return reflect.TypeFor[fqgw.Value]() }
func (p pgType) Zero() any               { return fqgw.Null }
func (p pgType) String() string          { return p.t.String() }
func (p pgType) CollationCoercibility(*sql.Context) (sql.CollationID, byte) {
	return sql.Collation_binary, 5
}

// value is a row's element: nil, which outer joins fill in, is NULL.
func value(v any) fqgw.Value {
	x, _ := v.(fqgw.Value)
	return x
}

// values copies a row's elements into dst, which is grown as needed.
func values(dst []fqgw.Value, row sql.Row) []fqgw.Value {
	if cap(dst) < len(row) {
		dst = make([]fqgw.Value, len(row))
	}
	dst = dst[:len(row)]
	for i, v := range row {
		dst[i] = value(v)
	}
	return dst
}

func boxed(row []fqgw.Value) sql.Row {
	out := make(sql.Row, len(row))
	for i, v := range row {
		out[i] = v
	}
	return out
}
