package files

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	pqfile "github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/leaf"
	"github.com/fqgw/fqgw/connectors/sound"
	"github.com/fqgw/fqgw/stream/decode"
)

// parquetFormat reads Parquet.
type parquetFormat struct {
	source *fqgw.Source
}

// opened is an open Parquet file.
type opened struct {
	os     *os.File
	file   *pqfile.Reader
	arrow  *pqarrow.FileReader
	schema *arrow.Schema
	sound  map[string]bool // nested columns that can be read
}

func (x file) parquet() (*opened, error) {
	f, err := x.folder.root.Open(x.name)
	if err != nil {
		return nil, err
	}
	o := &opened{os: f, sound: map[string]bool{}}
	if o.file, err = pqfile.NewParquetReader(f); err != nil {
		f.Close()
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "the file is no whole Parquet file: %w", err)
	}
	// Of Arrow's own schema, which some writers keep there too, a damaged length would
	// take all memory that there is; Parquet's says what is needed.
	o.file.MetaData().FileMetaData.KeyValueMetadata = nil
	if o.arrow, err = pqarrow.NewFileReader(o.file, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator); err == nil {
		o.schema, err = o.arrow.Schema()
	}
	if err != nil {
		o.close()
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "the schema of the Parquet file cannot be read: %w", err)
	}
	return o, nil
}

func (o *opened) close() { o.file.Close() } // and what it reads

// columns implements format. What fqgw hides in its own files is not shown.
func (p *parquetFormat) columns(_ context.Context, x file) ([]fqgw.Column, error) {
	o, err := x.parquet()
	if err != nil {
		return nil, err
	}
	defer o.close()
	var out []fqgw.Column
	for _, f := range o.schema.Fields() {
		if strings.HasPrefix(f.Name, "_fq_") {
			continue
		}
		t, ok := decode.NearestType(f.Type)
		if !ok {
			return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "column \"%s\" has the type %s, which fqgw cannot read", f.Name, f.Type).
				WithHint("Write the columns that are wanted: CREATE SOURCE %s (column type, …) WITH (…).", p.source.Name)
		}
		out = append(out, fqgw.Column{Name: f.Name, Type: t})
	}
	return out, nil
}

// check implements format.
func (p *parquetFormat) check(_ context.Context, x file) error {
	o, err := x.parquet()
	if err != nil {
		return err
	}
	defer o.close()
	for i := range p.source.Columns {
		if _, err := p.field(o, i); err != nil {
			return err
		}
	}
	return nil
}

// field finds column i of the source: 42703 when the file does not have it.
func (p *parquetFormat) field(o *opened, i int) (*leaf.Column, error) {
	c := p.source.Columns[i]
	name := c.Name
	if c.Field != "" {
		name = c.Field
	}
	missing := func(names []string) error {
		e := fqgw.Errorf(fqgw.CodeUndefinedColumn, "the file has no column \"%s\"", name)
		if near := fqgw.Nearest(name, names); near != "" {
			return e.WithHint("It has \"%s\"; WITH (field.%s = '%[1]s') reads that.", near, c.Name)
		}
		return e
	}
	find := func(fields []arrow.Field, name string) int {
		return slices.IndexFunc(fields, func(f arrow.Field) bool { return f.Name == name })
	}
	names := func(fields []arrow.Field) (out []string) {
		for _, f := range fields {
			out = append(out, f.Name)
		}
		return out
	}
	fields := o.schema.Fields()
	f := &leaf.Column{At: find(fields, name), Leaves: map[int]bool{}}
	var parts []string
	if f.At < 0 {
		if parts = strings.Split(name, "."); len(parts) == 1 {
			return nil, missing(names(fields))
		}
		if f.At = find(fields, parts[0]); f.At < 0 {
			return nil, missing(names(fields))
		}
		parts = parts[1:]
	}
	from := fields[f.At].Type
	node := &o.arrow.Manifest.Fields[f.At]
	for _, part := range parts {
		s, ok := from.(*arrow.StructType)
		at := -1
		if ok {
			at = find(s.Fields(), part)
		}
		if at < 0 {
			return nil, missing(names(fields))
		}
		f.Path, from, node = append(f.Path, at), s.Field(at).Type, &node.Children[at]
	}
	addLeaves(f.Leaves, node)
	var err error
	f.As, err = decode.NewColumn(from, c)
	return f, err
}

func addLeaves(to map[int]bool, n *pqarrow.SchemaField) {
	if n.IsLeaf() {
		to[n.ColIndex] = true
	}
	for i := range n.Children {
		addLeaves(to, &n.Children[i])
	}
}

// open implements format. Row groups are pruned by the bounds of the event time.
func (p *parquetFormat) open(ctx context.Context, x file, fields []int, sc fqgw.Scan) (reader, error) {
	o, err := x.parquet()
	if err != nil {
		return nil, err
	}
	var groups []int
	for g := range o.file.NumRowGroups() {
		if p.wants(o, g, sc) {
			groups = append(groups, g)
		}
	}
	r, err := p.rows(ctx, o, groups, fields, sc.Batch)
	if err != nil {
		o.close()
		return nil, err
	}
	return parquetReader{r, o}, nil
}

// parquetReader reads row groups of a file, which is its own.
type parquetReader struct {
	rows *leaf.Rows
	file *opened
}

func (r parquetReader) next() (arrow.RecordBatch, error) { return r.rows.Next() }

func (r parquetReader) close() {
	r.rows.Close()
	r.file.close()
}

// rows reads columns of the source from row groups of an open file.
func (p *parquetFormat) rows(ctx context.Context, o *opened, groups, fields []int, batch int64) (*leaf.Rows, error) {
	var columns []*leaf.Column
	if len(groups) > 0 {
		for _, i := range fields {
			f, err := p.field(o, i)
			if err != nil {
				return nil, err
			}
			columns = append(columns, f)
		}
	}
	if err := o.nested(ctx, columns); err != nil {
		return nil, err
	}
	return leaf.NewRows(ctx, o.arrow, groups, decode.Schema(p.source, fields), columns, batch), nil
}

// nested looks whether nested columns can be read: they are in goroutines of their
// own, whose panics would end the process.
func (o *opened) nested(ctx context.Context, columns []*leaf.Column) error {
	names := map[string]bool{}
	for _, c := range columns {
		if name := o.schema.Field(c.At).Name; !o.arrow.Manifest.Fields[c.At].IsLeaf() && !o.sound[name] {
			names[name] = true
		}
	}
	if len(names) == 0 {
		return nil
	}
	err := sound.Check(ctx, o.os, func(top schema.Node) bool { return names[top.Name()] })
	if err == nil {
		maps.Copy(o.sound, names)
	}
	return err
}

// wants says whether a row group can have rows of the scan's times, by the bounds
// that its writer noted.
func (p *parquetFormat) wants(o *opened, group int, sc fqgw.Scan) bool {
	if sc.Time == "" {
		return true
	}
	f, err := p.field(o, p.source.EventTime)
	if err != nil {
		return true
	}
	low, high, ok := leaf.Times(o.arrow, group, f)
	return !ok || high >= sc.From && low <= sc.To
}
