package iceberg

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"

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

// divide sets what divides the files of a table, if anything does. 0A000 for what
// another engine has made of it.
func (d *dataFiles) divide() error {
	spec := d.table.Spec()
	if spec.IsUnpartitioned() {
		return nil
	}
	all, err := columns(d.table)
	if err != nil {
		return err
	}
	s := &split{}
	var ids []int
	for _, f := range spec.Fields() {
		name, ok := d.table.Schema().FindColumnName(f.SourceID())
		if _, identity := f.Transform.(iceberg.IdentityTransform); !ok || !identity {
			return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "rows cannot be written to table \"%s\", whose files are divided by %s",
				strings.Join(d.table.Identifier(), "."), f.Name).
				WithHint("Another program divided them so. fqgw divides by the values of columns: ALTER TABLE … DROP PARTITION FIELD there.")
		}
		c, err := column(all, name, "")
		if err != nil {
			return err
		}
		s.columns, ids = append(s.columns, c), append(ids, f.FieldID)
		s.places = append(s.places, d.schema.FieldIndices(name)[0])
	}
	s.make = func(_ string, values []fqgw.Value) (part, error) {
		p := &dataPart{dataFiles{lake: d.lake, table: d.table, fs: d.fs, schema: d.schema, size: d.size, hashed: d.hashed, of: d,
			name: fmt.Sprintf("%s-%05d", d.name, len(s.order)), values: map[int]any{}}}
		for i, v := range values {
			p.values[ids[i]] = partitionValue(v, s.columns[i].Type)
		}
		return p, nil
	}
	d.split = s
	return partitionable(s.columns)
}

// partitionValue is a value as iceberg-go wants it; nil for NULL.
func partitionValue(v fqgw.Value, t fqgw.Type) any {
	switch {
	case v.IsNull():
		return nil
	case v.Kind() == fqgw.KindBool:
		return v.Bool()
	case v.Kind() == fqgw.KindDate:
		return iceberg.Date(v.Int())
	case v.Kind() == fqgw.KindText:
		return v.Str()
	case t.Base() == fqgw.Int2, t.Base() == fqgw.Int4:
		return int32(v.Int())
	}
	return v.Int()
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
