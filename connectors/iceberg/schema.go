package iceberg

import (
	"github.com/apache/iceberg-go"

	"github.com/fqgw/fqgw"
)

// icebergSchema maps columns to Iceberg's types; 0A000 for a type that Iceberg
// cannot hold. It agrees with fqgw.ArrowType.
func icebergSchema(cols []fqgw.Column) (*iceberg.Schema, error) {
	next := len(cols)
	fields := make([]iceberg.NestedField, len(cols))
	for i, c := range cols {
		t, err := icebergType(c.Type, &next)
		if err != nil {
			return nil, err
		}
		fields[i] = iceberg.NestedField{ID: i + 1, Name: c.Name, Type: t}
	}
	return iceberg.NewSchema(0, fields...), nil
}

func icebergType(t fqgw.Type, next *int) (iceberg.Type, error) {
	if t.IsArray() {
		elem, err := icebergType(t.Elem(), next)
		if err != nil {
			return nil, err
		}
		*next++
		return &iceberg.ListType{ElementID: *next, Element: elem}, nil
	}
	switch t.Base() {
	case fqgw.Bool:
		return iceberg.PrimitiveTypes.Bool, nil
	case fqgw.Int2, fqgw.Int4:
		return iceberg.PrimitiveTypes.Int32, nil
	case fqgw.Float4:
		return iceberg.PrimitiveTypes.Float32, nil
	case fqgw.Float8:
		return iceberg.PrimitiveTypes.Float64, nil
	case fqgw.Bytea:
		return iceberg.PrimitiveTypes.Binary, nil
	case fqgw.Date:
		return iceberg.PrimitiveTypes.Date, nil
	case fqgw.Time:
		return iceberg.PrimitiveTypes.Time, nil
	case fqgw.Timestamp:
		return iceberg.PrimitiveTypes.Timestamp, nil
	case fqgw.Timestamptz:
		return iceberg.PrimitiveTypes.TimestampTz, nil
	case fqgw.UUID:
		return iceberg.PrimitiveTypes.UUID, nil
	case fqgw.Numeric:
		if p, s := t.NumericMod(); t.Mod >= 0 && 0 <= s && s <= p && p <= 38 {
			return iceberg.DecimalTypeOf(p, s), nil
		}
		return iceberg.PrimitiveTypes.String, nil
	case fqgw.Interval, fqgw.Record, fqgw.Void:
		return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "a table of the lake cannot have a column of type %s", t).
			WithHint("Cast it to text or to a number.")
	}
	if t.Kind() == fqgw.KindInt {
		return iceberg.PrimitiveTypes.Int64, nil
	}
	return iceberg.PrimitiveTypes.String, nil
}

// foreignColumns are the PostgreSQL types nearest to a table's Iceberg ones.
func foreignColumns(s *iceberg.Schema) ([]fqgw.Column, error) {
	var out []fqgw.Column
	for _, f := range s.Fields() {
		t, ok := nearest(f.Type)
		if !ok {
			return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "lake: column \"%s\" has the type %s, which fqgw cannot read", f.Name, f.Type)
		}
		out = append(out, fqgw.Column{Name: f.Name, Type: t, NotNull: f.Required})
	}
	return out, nil
}

func nearest(t iceberg.Type) (fqgw.Type, bool) {
	switch t := t.(type) {
	case iceberg.BooleanType:
		return fqgw.Bool, true
	case iceberg.Int32Type:
		return fqgw.Int4, true
	case iceberg.Int64Type:
		return fqgw.Int8, true
	case iceberg.Float32Type:
		return fqgw.Float4, true
	case iceberg.Float64Type:
		return fqgw.Float8, true
	case iceberg.StringType:
		return fqgw.Text, true
	case iceberg.BinaryType:
		return fqgw.Bytea, true
	case iceberg.DateType:
		return fqgw.Date, true
	case iceberg.TimeType:
		return fqgw.Time, true
	case iceberg.TimestampType:
		return fqgw.Timestamp, true
	case iceberg.TimestampTzType:
		return fqgw.Timestamptz, true
	case iceberg.UUIDType:
		return fqgw.UUID, true
	case iceberg.DecimalType:
		return fqgw.NumericOf(t.Precision(), t.Scale()), true
	case *iceberg.ListType:
		e, ok := nearest(t.Element)
		return e.Array(), ok && e.Array().OID != 0
	}
	return fqgw.Type{}, false
}
