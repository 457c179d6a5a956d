package iceberg

import (
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// witness is a column to be read beside others so that of each file one is read, ""
// when none is needed. iceberg-go cannot read a file that has none of the columns, as
// one has that was written before they were added. Which columns a file has its counts
// tell; where it has no counts, it must have the oldest column.
func witness(schema *iceberg.Schema, names []string, tasks []table.FileScanTask) string {
	var read [][]int
	for _, name := range names {
		if f, ok := schema.FindFieldByName(name); ok {
			read = append(read, leaves(f))
		}
	}
	lacking := slices.DeleteFunc(slices.Clone(tasks), func(t table.FileScanTask) bool {
		return slices.ContainsFunc(read, func(ids []int) bool { return has(t, ids) })
	})
	if len(lacking) == 0 {
		return ""
	}
	fields := slices.Clone(schema.Fields())
	slices.SortFunc(fields, func(a, b iceberg.NestedField) int { return a.ID - b.ID })
	for _, f := range fields {
		ids := leaves(f)
		if !slices.ContainsFunc(lacking, func(t table.FileScanTask) bool { return !has(t, ids) }) {
			return f.Name
		}
	}
	return fields[0].Name
}

// has says whether a file surely has one of the columns.
func has(t table.FileScanTask, leaves []int) bool {
	sizes, counts := t.File.ColumnSizes(), t.File.ValueCounts()
	return slices.ContainsFunc(leaves, func(id int) bool {
		_, sized := sizes[id]
		_, counted := counts[id]
		return sized || counted
	})
}

// leaves are the ids of the columns that a field is in Parquet.
func leaves(f iceberg.NestedField) (out []int) {
	switch t := f.Type.(type) {
	case *iceberg.StructType:
		for _, f := range t.FieldList {
			out = append(out, leaves(f)...)
		}
		return out
	case *iceberg.ListType:
		return leaves(t.ElementField())
	case *iceberg.MapType:
		return append(leaves(t.KeyField()), leaves(t.ValueField())...)
	}
	return []int{f.ID}
}
