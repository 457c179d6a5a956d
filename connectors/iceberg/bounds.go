package iceberg

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
)

// bounded is a catalog whose tables are committed with whole bounds of their partitions.
//
// iceberg-go v0.7.0 writes the empty text, where it is the least of a manifest's
// partitions, as no bound at all. For Spark and pyiceberg that means that the manifest
// has no such values: they pass it over in any question about the column, and rows are
// missing in their answers. An empty bound in its place is always right.
type bounded struct{ tables }

// LoadTable gives a table that commits through the bounds, if its files are divided by
// a text or by bytes.
func (c bounded) LoadTable(ctx context.Context, id table.Identifier) (*table.Table, error) {
	t, err := c.tables.LoadTable(ctx, id)
	if err != nil || !slices.ContainsFunc(t.Metadata().PartitionSpecs(), func(s iceberg.PartitionSpec) bool {
		return slices.Contains(byText(s, t.Schema()), true)
	}) {
		return t, err
	}
	return table.New(t.Identifier(), t.Metadata(), t.MetadataLocation(), t.FS, boundedTable{c.tables, t}), nil
}

// byText says of each field of a spec whether its values are texts or bytes.
func byText(s iceberg.PartitionSpec, schema *iceberg.Schema) []bool {
	fields := s.PartitionType(schema).FieldList
	out := make([]bool, len(fields))
	for i, f := range fields {
		switch f.Type.(type) {
		case iceberg.StringType, iceberg.BinaryType:
			out[i] = true
		}
	}
	return out
}

// boundedTable is the catalog behind such a table.
type boundedTable struct {
	tables
	of *table.Table
}

// CommitTable mends the lists of manifests of the snapshots that are added. Nobody knows
// of them yet.
func (c boundedTable) CommitTable(
	ctx context.Context,
	id table.Identifier,
	requirements []table.Requirement,
	updates []table.Update,
) (table.Metadata, string, error) {
	for _, u := range updates {
		if u.Action() != table.UpdateAddSnapshot {
			continue
		}
		text, err := json.Marshal(u)
		if err != nil {
			return nil, "", err
		}
		var added struct{ Snapshot table.Snapshot }
		if err := json.Unmarshal(text, &added); err != nil {
			return nil, "", err
		}
		if err := c.mend(ctx, &added.Snapshot); err != nil {
			return nil, "", err
		}
	}
	return c.tables.CommitTable(ctx, id, requirements, updates)
}

func (c boundedTable) mend(ctx context.Context, s *table.Snapshot) error {
	// A list of version 3 has row numbers, which nothing here can write; fqgw makes tables of version 2.
	if c.of.Metadata().Version() > 2 || s.ManifestList == "" {
		return nil
	}
	fs, err := c.of.FS(ctx)
	if err != nil {
		return err
	}
	files, ok := fs.(iceio.WriteFileIO)
	if !ok {
		return nil
	}
	in, err := files.Open(s.ManifestList)
	if err != nil {
		return err
	}
	all, err := iceberg.ReadManifestList(in)
	in.Close()
	if err != nil {
		return err
	}
	changed := false
	for i, m := range all {
		spec := c.of.Metadata().PartitionSpecByID(int(m.PartitionSpecID()))
		if spec == nil {
			continue
		}
		parts, mended := m.Partitions(), false
		for j, text := range byText(*spec, c.of.Schema()) {
			if !text || j >= len(parts) || parts[j].LowerBound != nil {
				continue
			}
			parts[j].LowerBound, mended = &[]byte{}, true
			if parts[j].UpperBound == nil {
				parts[j].UpperBound = &[]byte{}
			}
		}
		if mended {
			all[i], changed = withPartitions(m, parts), true
		}
	}
	if !changed {
		return nil
	}
	out, err := files.Create(s.ManifestList)
	if err != nil {
		return err
	}
	err = iceberg.WriteManifestList(c.of.Metadata().Version(), out, s.SnapshotID, s.ParentSnapshotID, &s.SequenceNumber, 0, all)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return err
}

// withPartitions is a manifest with other bounds of its partitions.
func withPartitions(m iceberg.ManifestFile, parts []iceberg.FieldSummary) iceberg.ManifestFile {
	return iceberg.NewManifestFile(m.Version(), m.FilePath(), m.Length(), m.PartitionSpecID(), m.SnapshotID()).
		SequenceNum(m.SequenceNum(), m.MinSequenceNum()).Content(m.ManifestContent()).
		AddedFiles(m.AddedDataFiles()).ExistingFiles(m.ExistingDataFiles()).DeletedFiles(m.DeletedDataFiles()).
		AddedRows(m.AddedRows()).ExistingRows(m.ExistingRows()).DeletedRows(m.DeletedRows()).
		KeyMetadata(m.KeyMetadata()).Partitions(parts).Build()
}
