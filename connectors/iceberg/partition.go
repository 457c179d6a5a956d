package iceberg

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// specOfColumns divides the files of a table by the values of columns.
func specOfColumns(schema *iceberg.Schema, all []fqgw.Column, names []string) (*iceberg.PartitionSpec, error) {
	if len(names) == 0 {
		return iceberg.UnpartitionedSpec, nil
	}
	var cols []fqgw.Column
	var fields []iceberg.PartitionField
	for i, name := range names {
		c, err := column(all, name, "")
		if err != nil {
			return nil, err
		}
		field, _ := schema.FindFieldByName(name)
		cols = append(cols, c)
		fields = append(fields, iceberg.PartitionField{SourceIDs: []int{field.ID}, FieldID: 1000 + i, Name: name, Transform: iceberg.IdentityTransform{}})
	}
	if err := partitionable(cols); err != nil {
		return nil, err
	}
	spec := iceberg.NewPartitionSpec(fields...)
	return &spec, nil
}

// dividing is a field of a table's partition spec.
type dividing struct {
	id        int
	place     int // of the column in the batches; -1: it is NULL in all rows that are written here
	transform iceberg.Transform
}

// divide sets what divides the files by their spec, if anything does.
// 0A000 for what Iceberg itself does not know.
func (d *dataFiles) divide() error {
	if d.spec.IsUnpartitioned() {
		return nil
	}
	var by []dividing
	for _, f := range d.spec.Fields() {
		one, err := d.dividingBy(f)
		if err != nil {
			return err
		}
		by = append(by, one)
	}
	values := make([]iceberg.Optional[iceberg.Literal], len(by))
	of := func(b arrow.RecordBatch, row int) {
		for i, f := range by {
			if values[i] = (iceberg.Optional[iceberg.Literal]{}); f.place >= 0 {
				values[i] = transformed(f.transform, literal(b.Column(f.place), row))
			}
		}
	}
	var name []byte
	s := &split{}
	s.name = func(b arrow.RecordBatch, row int) string {
		of(b, row)
		name = name[:0]
		for _, v := range values {
			name = appendValue(name, v)
		}
		return string(name)
	}
	s.make = func(_ string, b arrow.RecordBatch, row int) part {
		of(b, row)
		at := map[int]any{}
		for i, f := range by {
			at[f.id] = nil
			if values[i].Valid {
				at[f.id] = values[i].Val.Any()
			}
		}
		return d.part(len(s.order), d.spec, at)
	}
	if whole, ok := undivided(d.table); ok {
		s.rest = func() part { return d.part(len(s.order), whole, nil) }
	}
	d.split = s
	return nil
}

// part is the n-th of a table whose files are divided.
func (d *dataFiles) part(n int, spec iceberg.PartitionSpec, values map[int]any) *dataPart {
	return &dataPart{dataFiles{lake: d.lake, table: d.table, fs: d.fs, schema: d.schema, size: d.size, hashed: d.hashed, of: d,
		name: fmt.Sprintf("%s-%05d", d.name, n), spec: spec, values: values}}
}

// undivided is the spec of a table's files that are of no partition, which fqgw's
// histories are made with: it stays, whatever others divide them by.
func undivided(t *table.Table) (iceberg.PartitionSpec, bool) {
	for _, s := range t.Metadata().PartitionSpecs() {
		if s.IsUnpartitioned() {
			return s, true
		}
	}
	return iceberg.PartitionSpec{}, false
}

func (d *dataFiles) dividingBy(f iceberg.PartitionField) (dividing, error) {
	refused := func(why string, args ...any) (dividing, error) {
		return dividing{}, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "rows cannot be written to table \"%s\", whose files are divided by \"%s\": %s",
			strings.Join(d.table.Identifier(), "."), f.Name, fmt.Sprintf(why, args...)).
			WithHint("Another program divided them so. ALTER TABLE … DROP PARTITION FIELD %s there.", f.Name)
	}
	out := dividing{id: f.FieldID, place: -1, transform: f.Transform}
	switch f.Transform.(type) {
	case iceberg.VoidTransform:
		return out, nil
	case iceberg.UnknownTransform:
		return refused("nothing is known of %s", f.Transform)
	}
	if len(f.SourceIDs) != 1 {
		return refused("it is of %d columns", len(f.SourceIDs))
	}
	field, ok := d.table.Schema().FindFieldByID(f.SourceID())
	if !ok {
		return refused("its column is gone")
	}
	if !f.Transform.CanTransform(field.Type) {
		return refused("%s is not for type %s", f.Transform, field.Type)
	}
	// What is a part of a column is one of others, who alone have columns of parts.
	out.place = slices.IndexFunc(d.table.Schema().Fields(), func(top iceberg.NestedField) bool { return top.ID == field.ID })
	return out, nil
}

// transformed is what a transform makes of a value; of none it makes none.
func transformed(t iceberg.Transform, v iceberg.Optional[iceberg.Literal]) iceberg.Optional[iceberg.Literal] {
	if at, ok := v.Val.(iceberg.TimestampLiteral); ok && t == (iceberg.HourTransform{}) {
		// Hours have 32 bits, which infinity and years past 245,000 do not fit in: the
		// nearest that does keeps the order, so that a filter finds them.
		const hour = int64(time.Hour / time.Microsecond)
		v.Val = iceberg.TimestampLiteral(min(max(int64(at), math.MinInt32*hour), math.MaxInt32*hour))
	}
	return t.Apply(v)
}

// appendValue adds a value of a partition to the name of its part.
func appendValue(to []byte, v iceberg.Optional[iceberg.Literal]) []byte {
	if !v.Valid {
		return append(to, 0)
	}
	text, err := v.Val.MarshalBinary()
	if err != nil { // none of those that literal gives
		text = []byte(v.Val.String())
	}
	return append(binary.AppendUvarint(append(to, 1), uint64(len(text))), text...)
}

// literal is a value of a column as Iceberg wants it.
func literal(a arrow.Array, row int) (out iceberg.Optional[iceberg.Literal]) {
	if a.IsNull(row) {
		return out
	}
	out.Valid = true
	switch a := a.(type) {
	case *array.Boolean:
		out.Val = iceberg.BoolLiteral(a.Value(row))
	case *array.Int32:
		out.Val = iceberg.Int32Literal(a.Value(row))
	case *array.Int64:
		out.Val = iceberg.Int64Literal(a.Value(row))
	case *array.Float32:
		out.Val = iceberg.Float32Literal(a.Value(row))
	case *array.Float64:
		out.Val = iceberg.Float64Literal(a.Value(row))
	case *array.Date32:
		out.Val = iceberg.DateLiteral(a.Value(row))
	case *array.Time64:
		out.Val = iceberg.TimeLiteral(a.Value(row))
	case *array.Timestamp:
		out.Val = iceberg.TimestampLiteral(a.Value(row))
	case *array.String:
		out.Val = iceberg.StringLiteral(a.Value(row))
	case *array.Binary:
		out.Val = iceberg.BinaryLiteral(a.Value(row))
	case *array.Decimal128:
		out.Val = iceberg.DecimalLiteral{Val: a.Value(row), Scale: int(a.DataType().(*arrow.Decimal128Type).Scale)}
	case *extensions.UUIDArray:
		out.Val = iceberg.UUIDLiteral(a.Value(row))
	case *array.Dictionary:
		return literal(a.Dictionary(), a.GetValueIndex(row))
	default: // no type of fqgw's: only columns that others added, which are NULL here
		panic(fmt.Sprintf("a partition by a column of type %s", a.DataType()))
	}
	return out
}

// dataPart are the files of a partition.
type dataPart struct{ dataFiles }

func (p *dataPart) write(b arrow.RecordBatch) error { return p.writeWhole(b) }

func (p *dataPart) spill() error {
	if p.writer == nil { // the file has just ended
		return nil
	}
	return p.writer.spill()
}
